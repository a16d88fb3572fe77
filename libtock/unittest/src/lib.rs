//! A fake Tock kernel for host tests of applications and drivers.
