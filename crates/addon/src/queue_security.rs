use io::{ClientSecurity, Pem, ServerSecurity};
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use wire::Error;

/// What a queue secures its connections with (TLS).
#[napi(object, object_to_js = false)]
pub struct QueueSecurity {
    /// Private key, PEM.
    pub key: Option<Uint8Array>,
    /// Its certificate and what leads to an authority, PEM.
    pub cert: Option<Uint8Array>,
    /// Certificates of authorities, PEM. Of a server: clients must show a certificate.
    pub ca: Vec<Uint8Array>,
    /// Trust the authorities that the system trusts, too (client).
    pub system_roots: bool,
    /// Whose certificate is expected (client).
    pub server_name: String,
    /// Refuse TLS 1.2.
    pub only_tls13: bool,
}

impl QueueSecurity {
    pub(crate) fn server(&self) -> Result<ServerSecurity, Error> {
        ServerSecurity::new(&self.pem())
    }

    pub(crate) fn client(&self) -> Result<ClientSecurity, Error> {
        ClientSecurity::new(&self.pem(), &self.server_name, self.system_roots)
    }

    fn pem(&self) -> Pem {
        let bytes = |text: &Uint8Array| text.to_vec();
        Pem {
            key: self.key.as_ref().map(bytes),
            cert: self.cert.as_ref().map(bytes),
            ca: self.ca.iter().map(bytes).collect(),
            only_tls13: self.only_tls13,
        }
    }
}
