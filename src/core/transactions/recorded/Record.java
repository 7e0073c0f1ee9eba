import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.coordinator.transaction.TransactionLog;
import org.apache.kafka.coordinator.transaction.TransactionState;
import org.apache.kafka.coordinator.transaction.TxnTransitMetadata;
import org.apache.kafka.server.common.TransactionVersion;

/** Records of __transaction_state by Apache's own classes: transaction.version, key, value. */
public final class Record {
    public static void main(String[] args) {
        for (TransactionVersion version : TransactionVersion.values()) {
            for (TransactionState state : TransactionState.values()) {
                if (state == TransactionState.DEAD || state == TransactionState.PREPARE_EPOCH_FENCE) {
                    continue;
                }
                HashSet<TopicPartition> partitions = new HashSet<>();
                if (state.id() >= 1 && state.id() <= 3) {
                    partitions.addAll(List.of(new TopicPartition("orders", 2)));
                }
                boolean moves = state.id() == 2 || state.id() == 3;
                var client = version.featureLevel() == 0 ? TransactionVersion.TV_0 : version;
                var told = new TxnTransitMetadata(4000, 3999, moves ? 4001 : -1, (short) 3,
                    (short) 2, 60_000, state, partitions, 1_700_000_000_000L, 1_700_000_000_500L,
                    client);
                System.out.println(version.featureLevel() + " " + hex(TransactionLog.keyToBytes("t"))
                    + " " + hex(TransactionLog.valueToBytes(told, version)));
            }
        }
    }

    private static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }
}
