//! rskafka behind the protocol of harness/drivers.py. It knows no groups.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, Write};

use chrono::{DateTime, Utc};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;
use serde_json::{json, Value};

type Outcome = Result<Value, Box<dyn Error>>;

const TIMEOUT_MS: i32 = 30_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut driver = Driver { client: None };
    for line in std::io::stdin().lock().lines() {
        let command: Value = serde_json::from_str(&line?)?;
        let answer = match driver.run(&command).await {
            Ok(result) => json!({ "result": result }),
            Err(failed) => json!({ "error": failed.to_string() }),
        };
        println!("{answer}");
        std::io::stdout().flush()?;
    }
    Ok(())
}

struct Driver {
    client: Option<Client>,
}

fn text<'a>(command: &'a Value, name: &str) -> &'a str {
    command[name].as_str().unwrap_or_default()
}

fn codec(name: &str) -> Compression {
    match name {
        "gzip" => Compression::Gzip,
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => Compression::NoCompression,
    }
}

fn record(one: &Value) -> Record {
    let headers = one["headers"].as_object().cloned().unwrap_or_default();
    Record {
        key: Some(text(one, "key").as_bytes().to_vec()),
        value: Some(text(one, "value").as_bytes().to_vec()),
        headers: headers
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().into()))
            .collect(),
        timestamp: Utc::now(),
    }
}

impl Driver {
    fn client(&self) -> Result<&Client, Box<dyn Error>> {
        self.client.as_ref().ok_or_else(|| "not connected".into())
    }

    async fn partition(&self, command: &Value) -> Result<PartitionClient, Box<dyn Error>> {
        let index = command["partition"].as_i64().unwrap_or(0) as i32;
        let topic = text(command, "topic");
        let client = self.client()?;
        Ok(client.partition_client(topic, index, UnknownTopicHandling::Retry).await?)
    }

    async fn run(&mut self, command: &Value) -> Outcome {
        match text(command, "op") {
            "abilities" => Ok(json!({
                "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
                "can": ["delete_records", "list_offsets", "headers"],
            })),
            "connect" => {
                let brokers = vec![text(command, "bootstrap").to_string()];
                self.client = Some(ClientBuilder::new(brokers).build().await?);
                Ok(json!(true))
            }
            "create_topic" => {
                let count = command["partitions"].as_i64().unwrap_or(1) as i32;
                let controller = self.client()?.controller_client()?;
                controller.create_topic(text(command, "topic"), count, 1, TIMEOUT_MS).await?;
                Ok(json!(true))
            }
            "list_topics" => {
                let topics = self.client()?.list_topics().await?;
                Ok(topics.into_iter().map(|topic| json!(topic.name)).collect())
            }
            "delete_topic" => {
                let controller = self.client()?.controller_client()?;
                controller.delete_topic(text(command, "topic"), TIMEOUT_MS).await?;
                Ok(json!(true))
            }
            "produce" => self.produce(command).await,
            "fetch_all" => self.fetch_all(command).await,
            "delete_records" => {
                let partition = self.partition(command).await?;
                let before = command["before"].as_i64().unwrap_or(0);
                partition.delete_records(before, TIMEOUT_MS).await?;
                Ok(json!(partition.get_offset(OffsetAt::Earliest).await?))
            }
            "list_offsets" => {
                let at = match &command["spec"] {
                    Value::String(name) if name == "earliest" => OffsetAt::Earliest,
                    Value::String(_) => OffsetAt::Latest,
                    time => OffsetAt::Timestamp(
                        DateTime::from_timestamp_millis(time.as_i64().unwrap_or(0))
                            .ok_or("no time")?,
                    ),
                };
                Ok(json!(self.partition(command).await?.get_offset(at).await?))
            }
            other => Err(format!("unknown op {other}").into()),
        }
    }

    async fn produce(&self, command: &Value) -> Outcome {
        let index = command["partition"].as_i64().unwrap_or(0);
        let records = command["records"].as_array().ok_or("no records")?;
        let offsets = self
            .partition(command)
            .await?
            .produce(records.iter().map(record).collect(), codec(text(command, "codec")))
            .await?;
        Ok(offsets.into_iter().map(|offset| json!([index, offset])).collect())
    }

    async fn fetch_all(&self, command: &Value) -> Outcome {
        let partition = self.partition(command).await?;
        let end = partition.get_offset(OffsetAt::Latest).await?;
        let (mut next, mut out) = (0, Vec::new());
        while next < end {
            let (records, _) = partition.fetch_records(next, 1..1_000_000, 1000).await?;
            for one in records {
                next = one.offset + 1;
                let headers: BTreeMap<_, _> = one
                    .record
                    .headers
                    .iter()
                    .map(|(name, value)| (name, String::from_utf8_lossy(value)))
                    .collect();
                out.push(json!([
                    partition.topic(),
                    partition.partition(),
                    one.offset,
                    String::from_utf8(one.record.key.unwrap_or_default())?,
                    String::from_utf8(one.record.value.unwrap_or_default())?,
                    headers
                ]));
            }
        }
        Ok(json!(out))
    }
}
