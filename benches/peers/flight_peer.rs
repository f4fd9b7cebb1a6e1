//! The engine behind `datafusion-flight-sql-server`, as a peer of the comparison: what a Flight SQL server over the same
//! DataFusion and delta-rs is without anything of Weir.
//!
//!     flight-peer PORT NAME=FOLDER...

use std::net::{Ipv4Addr, TcpListener};

use datafusion::prelude::SessionContext;
use datafusion_flight_sql_server::service::FlightSqlService;
use mimalloc::MiMalloc;
use weir_benches::Result;
use weir_benches::bare::bare_config;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "the bare engine, to compare with")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments.next().ok_or("the port is missing")?.parse()?;
    let session = SessionContext::new_with_config(bare_config()?);
    for table in arguments {
        let (name, folder) = table.split_once('=').ok_or("a table is NAME=FOLDER")?;
        let url = url::Url::from_directory_path(folder).map_err(|()| "a folder is an absolute path")?;
        let table = deltalake::open_table(url).await?;
        session.register_table(name, table.table_provider().await?)?;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let served = FlightSqlService::new(session.state()).serve_with_listener(listener).await;
    served.map_err(|failure| failure.to_string().into())
}
