//! Moves trees and files through a transport.
