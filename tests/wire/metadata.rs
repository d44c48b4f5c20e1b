//! Custom metadata, both ways.

use super::{GREET, call, peer::message, start};

#[tokio::test]
async fn binary_metadata_goes_both_ways() {
    let (address, _) = start().await;
    let answer = call(address, GREET, &[("x-bin", "AAE=,/w")], &message(b"")).await;
    let values: Vec<_> = answer
        .headers
        .0
        .iter()
        .filter(|(name, _)| name == "x-bin")
        .collect();
    assert_eq!(
        values
            .iter()
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>(),
        ["AAE", "/w"]
    );
}
