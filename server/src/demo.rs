//! placeholder

use crate::client::DemoOptions;
use crate::error::Result;

/// placeholder
pub async fn run(_options: DemoOptions) -> Result<()> {
    Ok(())
}
