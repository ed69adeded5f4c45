//! Generates the typings of the addon.

fn main() {
    napi_build::setup();
}
