//! Documents of a YAML stream.
