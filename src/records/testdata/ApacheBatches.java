// Asks Apache's own classes what they write and accept; prints apache_batches.tsv.
// java -cp 'LIBS/*' ApacheBatches.java > apache_batches.tsv, LIBS those of Apache Kafka 4.3.1.
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.*;
import org.apache.kafka.storage.internals.log.*;

public class ApacheBatches {
    static final long NOW = 1_700_000_000_000L;
    static final List<Compression> CODECS = List.of(Compression.NONE, Compression.gzip().build(),
        Compression.snappy().build(), Compression.lz4().build(), Compression.zstd().build());

    record Rules(Compression target, boolean compacted, TimestampType type, long now, long before,
                 long after) {
        Rules(Compression target) {
            this(target, false, TimestampType.CREATE_TIME, NOW, Long.MAX_VALUE, 3_600_000);
        }
        Rules appended(long at) {
            return new Rules(target, compacted, TimestampType.LOG_APPEND_TIME, at, before, after);
        }
    }

    static class Uncounted implements LogValidator.MetricsRecorder {
        public void recordInvalidMagic() {}
        public void recordInvalidOffset() {}
        public void recordInvalidSequence() {}
        public void recordInvalidChecksums() {}
        public void recordNoKeyCompactedTopic() {}
    }

    static String hex(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    static Time at(long now) {
        return (Time) Proxy.newProxyInstance(ApacheBatches.class.getClassLoader(),
            new Class<?>[] {Time.class}, (proxy, method, args) ->
                method.getName().equals("milliseconds") ? (Object) now
                                                        : method.invoke(Time.SYSTEM, args));
    }

    // Five records: null keys at 0 and 3, a null value at 4, headers at 1 and 3, and at 2 time
    // steps back.
    static ByteBuffer five(Compression codec, boolean transactional) {
        MemoryRecordsBuilder builder = MemoryRecords.builder(ByteBuffer.allocate(4096),
            RecordBatch.MAGIC_VALUE_V2, codec, TimestampType.CREATE_TIME, 0L, -1L,
            transactional ? 77 : -1, (short) (transactional ? 2 : -1), transactional ? 5 : -1,
            transactional, -1);
        for (int i = 0; i < 5; i++) {
            Header[] headers = i % 2 == 0 ? new Header[0] : new Header[] {
                new RecordHeader("h" + i, ("v" + i).getBytes()),
                new RecordHeader("null", (byte[]) null)};
            builder.append(NOW + i * 3 - (i == 2 ? 10 : 0),
                i % 3 == 0 ? null : ("key-" + i).getBytes(),
                i == 4 ? null : "some value ".repeat(i).getBytes(), headers);
        }
        return builder.build().buffer();
    }

    static ByteBuffer changed(ByteBuffer batch, Consumer<ByteBuffer> change) {
        change.accept(batch);
        batch.putInt(17, (int) Crc32C.compute(batch, 21, batch.limit() - 21));
        return batch;
    }

    static void attribute(ByteBuffer batch, int bits) {
        batch.putShort(21, (short) (batch.getShort(21) | bits));
    }

    static void print(String name, CompressionType source, ByteBuffer batch, Rules rules) {
        String in = hex(batch);
        String verdict;
        String indexes = "";
        String max = "";
        String out = "";
        try {
            var result = new LogValidator(MemoryRecords.readableRecords(batch),
                new TopicPartition("t", 3), at(rules.now), source, rules.target, rules.compacted,
                (byte) 2, rules.type, rules.before, rules.after, 9, AppendOrigin.CLIENT)
                .validateMessagesAndAssignOffsets(PrimitiveRef.ofLong(100), new Uncounted(),
                    BufferSupplier.create());
            verdict = "0";
            max = String.valueOf(result.maxTimestampMs());
            out = hex(result.validatedRecords().buffer());
        } catch (RecordValidationException e) {
            verdict = String.valueOf(Errors.forException(e.invalidException()).code());
            indexes = e.recordErrors().stream().map(r -> String.valueOf(r.batchIndex))
                .collect(Collectors.joining(","));
        } catch (Exception e) {
            verdict = String.valueOf(Errors.forException(e).code());
        }
        System.out.println(String.join("\t", name + " " + source, rules.target.type().toString(),
            rules.compacted ? "1" : "0", rules.type == TimestampType.CREATE_TIME ? "0" : "1",
            "" + rules.now, "" + rules.before, "" + rules.after, verdict, indexes, max, in, out));
    }

    static void printAll(Compression codec) {
        CompressionType source = codec.type();
        Rules rules = new Rules(codec);
        Consumer<ByteBuffer> none = batch -> {};
        record Case(String name, Rules rules, Consumer<ByteBuffer> change) {}
        for (Case c : List.of(
            new Case("plain", rules, none),
            new Case("append time", rules.appended(NOW + 5), none),
            new Case("compacted",
                new Rules(codec, true, rules.type, NOW, rules.before, rules.after), none),
            new Case("too old",
                new Rules(codec, false, rules.type, NOW + 10000, 9990, rules.after), none),
            new Case("too new",
                new Rules(codec, false, rules.type, NOW - 10000, rules.before, 10005), none),
            new Case("last offset", rules, b -> b.putInt(23, 5)),
            new Case("count too small", rules, b -> b.putInt(57, 4).putInt(23, 3)),
            new Case("count too large", rules, b -> b.putInt(57, 6).putInt(23, 5)),
            new Case("count zero", rules, b -> b.putInt(57, 0).putInt(23, -1)),
            new Case("append bit, create topic", rules, b -> attribute(b, 8)),
            new Case("append bit, append topic", rules.appended(NOW), b -> attribute(b, 8)),
            new Case("unknown bits, create topic", rules, b -> attribute(b, 0x180)),
            new Case("unknown bits, append topic", rules.appended(NOW), b -> attribute(b, 0x180)),
            new Case("wrong max timestamp", rules, b -> b.putLong(35, NOW + 999)),
            new Case("control bit", rules, b -> attribute(b, 0x20)),
            new Case("no sequence", rules, b -> b.putLong(43, 12).putShort(51, (short) 1))))
            print(c.name, source, changed(five(codec, false), c.change), c.rules);
        for (Compression target : CODECS) {
            if (target.type() == source) continue;
            print("other codec", source, five(codec, true), new Rules(target));
            print("other codec, append time", source, five(codec, true),
                new Rules(target).appended(NOW + 7));
        }
    }

    public static void main(String[] args) {
        System.out.println("# case\ttarget\tcompacted\tappend time\tnow\tbefore\tafter\terror\t"
            + "records\tmax timestamp\tin\tout");
        for (Compression codec : CODECS) printAll(codec);
    }
}
