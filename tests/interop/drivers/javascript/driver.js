// kafkajs behind the protocol of harness/drivers.py.
'use strict';

const readline = require('readline');
const {
  CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel, Partitioners,
} = require('kafkajs');

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy');

const CODECS = {
  none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy,
};
const RETRY = { initialRetryTime: 100, maxRetryTime: 500, retries: 100 };

let kafka;
let admin;
const members = new Map();

async function connect({ bootstrap }) {
  kafka = new Kafka({
    brokers: [bootstrap], logLevel: logLevel.ERROR, retry: { ...RETRY, retries: 20 },
    logCreator: () => ({ namespace, log }) => console.error(namespace, log.message, log.error),
  });
  if (admin) await admin.disconnect();
  admin = kafka.admin();
  await admin.connect();
  return true;
}

async function produce({ topic, records, codec, partition, idempotent = true }) {
  const producer = kafka.producer({ idempotent, maxInFlightRequests: 1 });
  await producer.connect();
  const placed = [];
  try {
    const messages = records.map((record) => ({
      ...record, ...(partition === undefined ? {} : { partition }),
    }));
    const answers = await producer.send({ topic, messages, acks: -1, compression: CODECS[codec] });
    // The answer tells the base offset of each partition, but of which record only in order.
    if (partition !== undefined) {
      const base = Number(answers[0].baseOffset);
      records.forEach((_, i) => placed.push([partition, base + i]));
    } else {
      const murmur = Partitioners.DefaultPartitioner();
      const [{ partitions }] = (await admin.fetchTopicMetadata({ topics: [topic] })).topics;
      for (const message of records) {
        placed.push([murmur({ topic, partitionMetadata: partitions, message }), -1]);
      }
    }
  } finally {
    await producer.disconnect();
  }
  return placed;
}

async function join({ member, group, topic }) {
  const consumer = kafka.consumer({
    groupId: group, sessionTimeout: 10000, heartbeatInterval: 300, maxWaitTimeInMs: 100,
    retry: RETRY,
  });
  const one = { consumer, held: [], got: [], positions: new Map() };
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    one.held = (payload.memberAssignment[topic] || []).map((p) => `${topic}-${p}`).sort();
  });
  consumer.on(consumer.events.REBALANCING, () => { one.held = []; });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      const headers = Object.fromEntries(
        Object.entries(message.headers || {}).map(([name, value]) => [name, value.toString()]));
      one.got.push([topic, partition, Number(message.offset), message.key.toString(),
        message.value.toString(), headers]);
      one.positions.set(partition, { topic, partition, offset: String(+message.offset + 1) });
    },
  });
  members.set(member, one);
  return true;
}

async function commit({ member }) {
  const { consumer, positions, held } = members.get(member);
  const owned = [...positions.values()].filter((p) => held.includes(`${p.topic}-${p.partition}`));
  await consumer.commitOffsets(owned);
  return true;
}

async function leave({ member }) {
  await members.get(member).consumer.disconnect();
  members.delete(member);
  return true;
}

async function committed({ group }) {
  const out = {};
  for (const { topic, partitions } of await admin.fetchOffsets({ groupId: group })) {
    for (const { partition, offset } of partitions) out[`${topic}-${partition}`] = Number(offset);
  }
  return out;
}

async function describeConfigs({ topic }) {
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
  });
  return Object.fromEntries(
    resources[0].configEntries.map(({ configName, configValue }) => [configName, configValue]));
}

async function listOffsets({ topic, partition, spec }) {
  const found = typeof spec === 'number'
    ? await admin.fetchTopicOffsetsByTimestamp(topic, spec) : await admin.fetchTopicOffsets(topic);
  const one = found.find((each) => each.partition === partition);
  return Number(spec === 'earliest' ? one.low : spec === 'latest' ? one.high : one.offset);
}

const OPS = {
  abilities: () => ({
    codecs: ['none', 'gzip', 'snappy'],
    can: ['groups', 'idempotent', 'partitions', 'group_admin', 'headers', 'partitioner'],
  }),
  connect,
  produce,
  join,
  assignment: ({ member }) => members.get(member).held,
  received: ({ member }) => members.get(member).got,
  commit,
  leave,
  committed,
  create_topic: async ({ topic, partitions, configs = {} }) => {
    const made = await admin.createTopics({
      topics: [{
        topic, numPartitions: partitions, replicationFactor: 1,
        configEntries: Object.entries(configs).map(([name, value]) => ({ name, value })),
      }],
    });
    if (!made) throw new Error('the topic exists');
    return made;
  },
  list_topics: () => admin.listTopics(),
  create_partitions: ({ topic, total }) => admin.createPartitions({
    topicPartitions: [{ topic, count: total }],
  }),
  delete_topic: ({ topic }) => admin.deleteTopics({ topics: [topic] }),
  describe_configs: describeConfigs,
  list_offsets: listOffsets,
  list_groups: async () => (await admin.listGroups()).groups.map(({ groupId }) => groupId),
  describe_group: async ({ group }) => {
    const { groups: [found] } = await admin.describeGroups([group]);
    return { state: found.state, members: found.members.length };
  },
  delete_group: async ({ group }) => {
    const answers = await admin.deleteGroups([group]);
    const failed = answers.find(({ errorCode }) => errorCode);
    if (failed) throw failed.error;
    return true;
  },
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { op, ...fields } = JSON.parse(line);
    let answer;
    try {
      answer = { result: (await OPS[op](fields)) ?? null };
    } catch (failed) {
      answer = { error: String(failed) };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  process.exit(0);
}

main();
