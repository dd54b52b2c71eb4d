//! sizar-env
