//! Which files: roots, folders, bundled copies.
