//! From a locator to a checkout.
