// Prints what Apache Kafka's own classes make of random events of remote log metadata, for
// apache_test.cc: java -cp 'CLASSES:JARS/*' org.apache.kafka...storage.Record > metadata_cache.tsv
//
//   partition  topic id, partition, partitions of the metadata topic, its answer
//   walk       a new cache
//   add        bytes of the record          (a segment's copy begins)
//   update     bytes of the record          (a segment's state changes)
//   find       epoch, offset, segment id or -
//   next       epoch, offset, segment id or -   (with a transaction index)
//   highest    epoch, offset or -
//   list       epoch, segment ids by start offset and id
//   lineage    segment id, log end, epochs of the log, true or false
package org.apache.kafka.server.log.remote.metadata.storage;

import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.server.log.remote.metadata.storage.serialization.RemoteLogMetadataSerde;
import org.apache.kafka.server.log.remote.storage.RemoteLogManager;
import org.apache.kafka.server.log.remote.storage.RemoteLogMetadata;
import org.apache.kafka.server.log.remote.storage.RemoteLogSegmentId;
import org.apache.kafka.server.log.remote.storage.RemoteLogSegmentMetadata;
import org.apache.kafka.server.log.remote.storage.RemoteLogSegmentMetadata.CustomMetadata;
import org.apache.kafka.server.log.remote.storage.RemoteLogSegmentMetadataUpdate;
import org.apache.kafka.server.log.remote.storage.RemoteLogSegmentState;

public class Record {
    static final Random random = new Random(4);
    static final RemoteLogMetadataSerde serde = new RemoteLogMetadataSerde();
    static final int epochs = 6;
    static final int offsets = 200;

    static Uuid uuid() {
        return new Uuid(random.nextLong(), random.nextLong());
    }

    static String hex(RemoteLogMetadata metadata) {
        return HexFormat.of().formatHex(serde.serialize(metadata));
    }

    static TopicIdPartition partition = new TopicIdPartition(uuid(), new TopicPartition("orders", 3));

    static NavigableMap<Integer, Long> lineage(long start, long end) {
        NavigableMap<Integer, Long> map = new TreeMap<>();
        int epoch = random.nextInt(epochs);
        long offset = start;
        map.put(epoch, offset);
        while (random.nextInt(3) == 0 && epoch < epochs - 1 && offset < end) {
            epoch += 1 + random.nextInt(epochs - 1 - epoch);
            offset += random.nextInt((int) (end - offset) + 1);
            map.put(epoch, offset);
        }
        return map;
    }

    static RemoteLogSegmentMetadata segment() {
        long start = random.nextInt(offsets / 10) * 10L;
        long end = start + random.nextInt(40);
        Optional<CustomMetadata> custom = Optional.empty();
        return new RemoteLogSegmentMetadata(
            new RemoteLogSegmentId(partition, uuid()), start, end, random.nextInt(1000), random.nextInt(3),
            random.nextInt(100000), random.nextInt(1 << 20), custom, RemoteLogSegmentState.COPY_SEGMENT_STARTED,
            lineage(start, end), random.nextBoolean());
    }

    static String id(Optional<RemoteLogSegmentMetadata> metadata) {
        return metadata.map(m -> m.remoteLogSegmentId().id().toString()).orElse("-");
    }

    static void ask(RemoteLogMetadataCache cache, RemoteLogSegmentMetadata some) throws Exception {
        for (int i = 0; i < 3; i++) {
            int epoch = i > 0 ? some.segmentLeaderEpochs().firstKey() : random.nextInt(epochs);
            long offset = i > 0 ? some.startOffset() + random.nextInt(50) : random.nextInt(offsets);
            System.out.println("find\t" + epoch + "\t" + offset + "\t" + id(cache.remoteLogSegmentMetadata(epoch, offset)));
            System.out.println("next\t" + epoch + "\t" + offset + "\t" + id(cache.nextSegmentWithTxnIndex(epoch, offset)));
        }
        int epoch = random.nextInt(epochs);
        System.out.println("highest\t" + epoch + "\t" + cache.highestOffsetForEpoch(epoch).map(String::valueOf).orElse("-"));
        List<RemoteLogSegmentMetadata> listed = new ArrayList<>();
        cache.listRemoteLogSegments(epoch).forEachRemaining(listed::add);
        listed.sort(Comparator.comparingLong(RemoteLogSegmentMetadata::startOffset)
            .thenComparing(m -> HexFormat.of().toHexDigits(m.remoteLogSegmentId().id().getMostSignificantBits())));
        System.out.println("list\t" + epoch + "\t"
            + listed.stream().map(m -> m.remoteLogSegmentId().id().toString()).collect(Collectors.joining(",")));
    }

    static void askLineage(RemoteLogSegmentMetadata segment, Method within, Method filtered) throws Exception {
        NavigableMap<Integer, Long> log = lineage(random.nextInt(60), offsets);
        // Half of the time one that the segment may well belong to.
        if (random.nextBoolean()) {
            log = new TreeMap<>(segment.segmentLeaderEpochs());
            if (random.nextBoolean()) log.put(log.lastKey() + 1, segment.endOffset() + random.nextInt(3));
            if (random.nextBoolean() && log.firstKey() > 0) log.put(log.firstKey() - 1, Math.max(0, segment.startOffset() - 5));
            if (random.nextInt(3) == 0) log.put(log.firstKey(), log.firstEntry().getValue() + random.nextInt(10));
            if (random.nextInt(4) == 0 && log.size() > 1) log.remove(log.firstKey());
        }
        log = (NavigableMap<Integer, Long>) filtered.invoke(null, log);
        long end = segment.endOffset() + random.nextInt(4);
        String text = log.entrySet().stream().map(e -> e.getKey() + ":" + e.getValue()).collect(Collectors.joining(","));
        System.out.println("lineage\t" + segment.remoteLogSegmentId().id() + "\t" + end + "\t" + text + "\t"
            + within.invoke(null, segment, end, log));
    }

    static void walk(Method within, Method filtered) throws Exception {
        System.out.println("walk");
        RemoteLogMetadataCache cache = new RemoteLogMetadataCache();
        cache.markInitialized();
        List<RemoteLogSegmentMetadata> known = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            if (known.isEmpty() || random.nextInt(3) == 0) {
                RemoteLogSegmentMetadata segment = segment();
                known.add(segment);
                System.out.println("add\t" + hex(segment));
                cache.addCopyInProgressSegment(segment);
                askLineage(segment, within, filtered);
            } else {
                RemoteLogSegmentId id = known.get(random.nextInt(known.size())).remoteLogSegmentId();
                int chance = random.nextInt(10);
                RemoteLogSegmentState state = RemoteLogSegmentState.forId((byte) (chance < 7 ? 1 : chance < 9 ? 2 : 3));
                Optional<CustomMetadata> custom = Optional.empty();
                if (random.nextInt(4) == 0) custom = Optional.of(new CustomMetadata(new byte[] {1, 2, (byte) i}));
                RemoteLogSegmentMetadataUpdate update =
                    new RemoteLogSegmentMetadataUpdate(id, random.nextInt(100000), custom, state, random.nextInt(3));
                System.out.println("update\t" + hex(update));
                try {
                    cache.updateRemoteLogSegmentMetadata(update);
                } catch (Exception gone) {
                    // Its deletion was finished.
                }
            }
            ask(cache, known.get(random.nextInt(known.size())));
        }
    }

    public static void main(String[] arguments) throws Exception {
        for (int i = 0; i < 40; i++) {
            TopicIdPartition each = new TopicIdPartition(uuid(), new TopicPartition("t", random.nextInt(1000)));
            int count = i % 2 == 0 ? 50 : 1 + random.nextInt(100);
            System.out.println("partition\t" + each.topicId() + "\t" + each.partition() + "\t" + count + "\t"
                + new RemoteLogMetadataTopicPartitioner(count).metadataPartition(each));
        }
        Method within = RemoteLogManager.class.getDeclaredMethod("isRemoteSegmentWithinLeaderEpochs",
            RemoteLogSegmentMetadata.class, long.class, NavigableMap.class);
        Method filtered = RemoteLogManager.class.getDeclaredMethod("buildFilteredLeaderEpochMap", NavigableMap.class);
        within.setAccessible(true);
        filtered.setAccessible(true);
        for (int i = 0; i < 10; i++) walk(within, filtered);
    }
}
