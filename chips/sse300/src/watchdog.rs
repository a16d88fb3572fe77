//! The S32K CMSDK watchdog.
