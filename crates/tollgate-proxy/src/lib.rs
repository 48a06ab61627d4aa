//! The native host: tollgate-core over tollgate-net.
