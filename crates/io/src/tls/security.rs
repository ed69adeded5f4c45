use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, UnbufferedClientConnection, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection, WebPkiClientVerifier};
use rustls::{
    ClientConfig, InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion, version,
};
use wire::{Code, Error};

use super::verify::Named;

/// What a side proves itself with and whom it trusts, as PEM.
#[derive(Clone, Default)]
pub struct Pem {
    /// Private key (PKCS#8, PKCS#1 or SEC1, not encrypted).
    pub key: Option<Vec<u8>>,
    /// Certificate that belongs to it, and then those that lead to an authority.
    pub cert: Option<Vec<u8>>,
    /// Certificates of authorities, or single ones to trust.
    pub ca: Vec<Vec<u8>>,
    /// TLS 1.2 is refused.
    pub only_tls13: bool,
}

/// How a listener secures its connections. Cheap to clone.
#[derive(Clone)]
pub struct ServerSecurity(Arc<ServerConfig>);

/// How an outgoing connection is secured, and whom it expects there. Cheap to clone.
#[derive(Clone)]
pub struct ClientSecurity {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl ServerSecurity {
    /// Checks what a server needs. With `ca`, clients have to show a certificate that leads there.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] if the key or the certificate is missing, [`Code::Tls`] if what is there cannot be.
    pub fn new(pem: &Pem) -> Result<Self, Error> {
        let (Some(key), Some(cert)) = (&pem.key, &pem.cert) else {
            return Err(invalid(
                "a server needs security.key and security.cert: the private key and the certificate that it shows",
            ));
        };
        let provider = provider();
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions(pem))
            .map_err(|error| defect(&error))?;
        let builder = if pem.ca.is_empty() {
            builder.with_no_client_auth()
        } else {
            let named = authorities(&pem.ca)?;
            let roots = Arc::new(roots(&named)?);
            let chains: Arc<dyn ClientCertVerifier> =
                WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|error| refused(&format!("security.ca cannot be used: {error}")))?;
            builder.with_client_cert_verifier(Arc::new(Named::new(named, chains)))
        };
        let mut config = builder
            .with_single_cert(chain(cert)?, private_key(key)?)
            .map_err(|error| identity_refused(&error))?;
        // Nobody comes twice so often that it would pay, and each connection proves itself anew.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Self(Arc::new(config)))
    }

    pub(crate) fn accept(&self) -> Result<UnbufferedServerConnection, rustls::Error> {
        UnbufferedServerConnection::new(Arc::clone(&self.0))
    }
}

impl ClientSecurity {
    /// Checks what a client needs, and whom it expects: a host name or an address. With `system_roots` the authorities are
    /// trusted that the system trusts, besides those of `ca`.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] if there is a key without a certificate or the reverse, or the name is none; [`Code::Tls`]
    /// if what is there cannot be.
    pub fn new(pem: &Pem, name: &str, system_roots: bool) -> Result<Self, Error> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            invalid(&format!(
                "security.servername: '{name}' is neither a host name nor an address"
            ))
        })?;
        let provider = provider();
        let named = authorities(&pem.ca)?;
        let mut roots = roots(&named)?;
        if system_roots {
            add_system_roots(&mut roots)?;
        }
        let chains: Arc<dyn ServerCertVerifier> =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| refused(&format!("security.ca cannot be used: {error}")))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions(pem))
            .map_err(|error| defect(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Named::new(named, chains)));
        let mut config = match (&pem.key, &pem.cert) {
            (Some(key), Some(cert)) => builder
                .with_client_auth_cert(chain(cert)?, private_key(key)?)
                .map_err(|error| identity_refused(&error))?,
            (None, None) => builder.with_no_client_auth(),
            _ => {
                return Err(invalid(
                    "security.key and security.cert belong together: give both or neither",
                ));
            }
        };
        config.resumption = Resumption::disabled();
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }

    pub(crate) fn connect(&self) -> Result<UnbufferedClientConnection, rustls::Error> {
        UnbufferedClientConnection::new(Arc::clone(&self.config), self.name.clone())
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

const ONLY_TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];
const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

fn versions(pem: &Pem) -> &'static [&'static SupportedProtocolVersion] {
    if pem.only_tls13 { ONLY_TLS13 } else { BOTH }
}

fn chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    certificates(text, "security.cert")
}

fn authorities(texts: &[Vec<u8>]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let mut all = Vec::new();
    for text in texts {
        all.extend(certificates(text, "security.ca")?);
    }
    Ok(all)
}

fn certificates(text: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let all = all.map_err(|why| refused(&format!("{name} is not PEM: {why}")))?;
    if all.is_empty() {
        return Err(refused(&format!(
            "{name} has no certificate in it (a section '-----BEGIN CERTIFICATE-----')"
        )));
    }
    Ok(all)
}

fn roots(certificates: &[CertificateDer<'static>]) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for (i, certificate) in certificates.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|why| {
            let number = i + 1;
            refused(&format!(
                "security.ca: certificate {number} cannot be read: {why}"
            ))
        })?;
    }
    Ok(roots)
}

fn add_system_roots(roots: &mut RootCertStore) -> Result<(), Error> {
    let found = rustls_native_certs::load_native_certs();
    // Some systems keep certificates that no longer conform; nothing is lost with them.
    let (_added, _ignored) = roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(());
    }
    let why = found
        .errors
        .first()
        .map_or_else(String::new, |error| format!(" ({error})"));
    Err(refused(&format!(
        "this system has no certificates of authorities{why}; give those to trust in security.ca"
    )))
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, Error> {
    let has = |words: &str| {
        text.windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    if has("BEGIN ENCRYPTED PRIVATE KEY") || has("Proc-Type: 4,ENCRYPTED") {
        return Err(refused(
            "security.key is encrypted; give it in plain, for example what 'openssl pkey -in key.pem' writes",
        ));
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|why| match why {
        pem::Error::NoItemsFound => refused(
            "security.key has no private key in it (a section '-----BEGIN PRIVATE KEY-----')",
        ),
        why => refused(&format!("security.key is not PEM: {why}")),
    })
}

fn identity_refused(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => refused(
            "security.key is not the key of security.cert: the first certificate there has another public key",
        ),
        // Also of a key that is well-formed, and shorter or of another kind than what is known here.
        rustls::Error::General(why) if why.starts_with("failed to parse private key") => refused(
            "security.key is no private key that can be used: it must be RSA of at least 2048 bits (at most 4096), ECDSA of \
             P-256 or P-384, or Ed25519",
        ),
        other => refused(&format!(
            "security.key and security.cert cannot be used: {other}"
        )),
    }
}

fn invalid(why: &str) -> Error {
    Error::new(Code::InvalidArgument, why)
}

fn refused(why: &str) -> Error {
    Error::new(Code::Tls, why)
}

fn defect(error: &rustls::Error) -> Error {
    Error::new(Code::Internal, error.to_string())
}
