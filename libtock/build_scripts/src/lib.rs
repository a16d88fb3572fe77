//! Build-script helper that places an application in flash and RAM.
