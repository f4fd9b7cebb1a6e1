//! `[log]`: what is written to standard error.

use super::section::section;

section! {
    /// The log, written to standard error. It carries no tokens and no values of rows.
    Log {
        /// What is logged: a level (`error`, `warn`, `info`, `debug`, `trace`), or levels for single parts
        /// such as `info,weir_server::identity=debug`. The Delta kernel and the commits of its library are silent: they
        /// log as errors what the server expects, and paths of tables. `debug` and `trace` are levels of Weir's own
        /// parts: libraries would tell constants of statements and headers of calls there, and are cut off at `info`.
        filter: String = "warn,weir_server=info,weir_catalog=info,weir_scan=info,buoyant_kernel=off,\
                          deltalake_core::kernel::transaction=off"
            .to_owned(),
    }
}
