//! SAU, MPC and PPC set-up of the secure world.
