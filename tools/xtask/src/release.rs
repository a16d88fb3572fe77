//! Versions and security counters of what a build signs.
//!
//! Owns the options of `build` and their defaults, which all tests run with. An update must be newer
//! than what the factory flashes: that is said before anything is compiled.

use crate::updates;
use anyhow::{Context, Result, ensure};
use mcuboot_image::ImageVersion;

/// Version of the images that the factory flashes, and of the update, unless the build is told.
pub const FACTORY: &str = "1.0.0";
/// See [`FACTORY`].
pub const UPDATE: &str = "1.0.1";
/// Of images, unless the build is told.
pub const COUNTER: u32 = 1;

/// Options of a build for a release.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "release")]
pub struct Options {
    /// Version of both images as the factory flashes them: MAJOR.MINOR.REVISION[+BUILD]
    #[arg(long, value_name = "VERSION", default_value = FACTORY)]
    image_version: String,
    /// Version of both images' updates; the next revision when absent
    #[arg(long, value_name = "VERSION")]
    update_version: Option<String>,
    /// Security counter of both images; a device that has confirmed a higher one refuses them
    #[arg(long, value_name = "NUMBER", default_value_t = COUNTER)]
    security_counter: u32,
    /// Version of each app's update; the factory's is 1
    #[arg(long, value_name = "NUMBER", default_value_t = updates::UPDATE,
          value_parser = clap::value_parser!(u32).range(2..))]
    app_version: u32,
}

/// What a build writes into what it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    pub factory: String,
    pub update: String,
    pub counter: u32,
    pub app: u32,
}

/// What a build without options signs.
impl Default for Release {
    fn default() -> Self {
        #[derive(clap::Parser)]
        struct None {
            #[command(flatten)]
            options: Options,
        }
        let none = <None as clap::Parser>::parse_from([""]);
        none.options.release().expect("the defaults are versions")
    }
}

impl Options {
    /// The versions, in order.
    ///
    /// # Errors
    /// Names the option that is no version, or the update that is not newer.
    pub fn release(&self) -> Result<Release> {
        let factory = parse(&self.image_version).context("--image-version")?;
        let update = match &self.update_version {
            Some(version) => parse(version).context("--update-version")?,
            None => ImageVersion {
                revision: factory
                    .revision
                    .checked_add(1)
                    .context("--image-version has no next revision: give --update-version")?,
                build: 0,
                ..factory
            },
        };
        ensure!(
            update > factory,
            "--update-version {update} is not newer than --image-version {factory}"
        );
        Ok(Release {
            factory: factory.to_string(),
            update: update.to_string(),
            counter: self.security_counter,
            app: self.app_version,
        })
    }
}

/// MAJOR.MINOR.REVISION[+BUILD], as imgtool takes it.
fn parse(text: &str) -> Result<ImageVersion> {
    let read = || {
        let (numbers, build) = text.split_once('+').unwrap_or((text, "0"));
        let [major, minor, revision] = numbers.split('.').collect::<Vec<_>>().try_into().ok()?;
        Some(ImageVersion {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            revision: revision.parse().ok()?,
            build: build.parse().ok()?,
        })
    };
    read().with_context(|| format!("`{text}` is no MAJOR.MINOR.REVISION[+BUILD]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(factory: &str, update: Option<&str>) -> Result<Release, String> {
        let options = Options {
            image_version: factory.into(),
            update_version: update.map(Into::into),
            security_counter: 3,
            app_version: 9,
        };
        options.release().map_err(|e| format!("{e:#}"))
    }

    #[test]
    fn a_build_without_options_signs_the_versions_that_tests_know() {
        let plain = Release::default();
        let known = (format!("{FACTORY}+0"), format!("{UPDATE}+0"));
        assert_eq!((plain.factory, plain.update), known);
        assert_eq!((plain.counter, plain.app), (COUNTER, updates::UPDATE));
    }

    #[test]
    fn an_update_is_the_next_revision_or_newer() {
        let next = release("1.2.3+4", None).unwrap();
        assert_eq!((&*next.factory, &*next.update), ("1.2.3+4", "1.2.4+0"));
        assert_eq!((next.counter, next.app), (3, 9));
        assert_eq!(release("1.2.3", Some("2.0.0")).unwrap().update, "2.0.0+0");
        let older = release("1.2.3", Some("1.2.3")).unwrap_err();
        assert!(older.contains("is not newer"), "{older}");
        let last = release("1.0.65535", None).unwrap_err();
        assert!(last.contains("--update-version"), "{last}");
    }

    #[test]
    fn what_is_no_version_is_named() {
        for text in [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "256.0.0",
            "1.2.65536",
            "1.2.x",
            "1.2.3+",
        ] {
            let error = release(text, None).unwrap_err();
            assert!(error.contains("--image-version: `"), "{text}: {error}");
        }
    }
}
