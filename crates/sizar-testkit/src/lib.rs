//! sizar-testkit
