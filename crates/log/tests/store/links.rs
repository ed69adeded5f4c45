//! A directory of somebody else's making, with links in it: nothing outside of it is changed.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{Error, OsDisk, TopicName};

use crate::support::*;

/// A directory with a topic of one record, and what stands beside it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("links-{}", name.replace('/', "-"));
        let place = Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
        let _ = fs::remove_dir_all(&place.0);
        fs::create_dir_all(place.0.join("log")).unwrap();
        fs::create_dir_all(place.0.join("elsewhere/0")).unwrap();
        fs::write(place.0.join("elsewhere/precious"), "precious").unwrap();
        let mut driven = place.open().unwrap();
        let topic = driven.topic("t", &small());
        written(append(&topic, &[&value_of(0)]));
        driven.commit();
        driven.store.close(None).unwrap();
        place
    }

    fn open(&self) -> Result<Driven, Error> {
        Driven::open(&Arc::new(OsDisk::new(self.0.join("log"))))
    }

    /// Puts a link in the place of `name`.
    fn link(&self, name: &str) {
        let name = self.0.join("log").join(name);
        let _ = fs::remove_dir_all(&name);
        symlink(self.0.join("elsewhere"), name).unwrap();
    }

    fn assert_nothing_changed_elsewhere(&self, name: &str) {
        let elsewhere = self.0.join("elsewhere");
        assert_eq!(below(&elsewhere), ["0", "precious"], "{name}");
        assert_eq!(below(&elsewhere.join("0")), [""; 0], "{name}");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn below(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names = Vec::from_iter(names);
    names.sort();
    names
}

#[test]
fn a_topic_is_not_made_through_a_link() {
    for name in [
        "topics/00000002.creating",
        "topics/00000002.deleted",
        "topics/00000002",
    ] {
        let place = Place::new(name);
        place.link(name);
        let mut driven = place.open().unwrap();
        let topic = driven.topic("u", &small());
        assert_eq!(topic.topic(), 3);
        written(append(&topic, &[&value_of(0)]));
        driven.commit();
        driven.keep_house();
        driven.store.close(None).unwrap();
        place.assert_nothing_changed_elsewhere(name);
    }
    // While it is open.
    let place = Place::new("open");
    let driven = place.open().unwrap();
    place.link("topics/00000002.creating");
    let name = TopicName::parse(b"u").unwrap();
    let refused = driven.store.create_topic(&name, &small()).unwrap_err();
    assert_eq!(refused.system, Some(("EEXIST", "mkdir")));
    assert_eq!(driven.topic("u", &small()).topic(), 3);
    place.assert_nothing_changed_elsewhere("open");
}

#[test]
fn a_link_in_the_place_of_a_folder_is_refused() {
    for name in ["topics", "positions"] {
        let place = Place::new(name);
        place.link(name);
        let refused = place.open().err().unwrap();
        assert_eq!(refused.system, Some(("ENOTDIR", "readdir")), "{name}");
        place.assert_nothing_changed_elsewhere(name);
    }
    for (name, topic) in [("positions/0", 0), ("topics/00000001/0", 1)] {
        let place = Place::new(name);
        place.link(name);
        let driven = place.open().unwrap();
        let [(of, 0, ref why)] = driven.report.unavailable[..] else {
            panic!("{:?}", driven.report)
        };
        assert_eq!((of, why.system), (topic, Some(("ENOTDIR", "readdir"))));
        driven.store.close(None).unwrap();
        place.assert_nothing_changed_elsewhere(name);
    }
    let place = Place::new("topic");
    place.link("topics/00000001");
    let driven = place.open().unwrap();
    assert_eq!(driven.report.foreign, ["topics/00000001"]);
    assert_eq!(driven.topic("t", &small()).topic(), 2);
    place.assert_nothing_changed_elsewhere("topic");
}
