// Prints what Apache Kafka's share coordinator makes of states of offsets that come to others:
// the start offset; what was known; what came; what is known then. With Kafka's jars:
//   java -cp 'JARS/*' Combine.java > combined.txt

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import org.apache.kafka.coordinator.share.PersisterStateBatchCombiner;
import org.apache.kafka.server.share.persister.PersisterStateBatch;

public class Combine {
    private static final Random random = new Random(4);
    private static final byte[] states = {0, 2, 4};

    static List<PersisterStateBatch> batches(int most) {
        List<PersisterStateBatch> made = new ArrayList<>();
        long next = random.nextInt(6);
        for (int i = random.nextInt(most + 1); i > 0; i--) {
            long last = next + random.nextInt(6);
            made.add(new PersisterStateBatch(next, last, states[random.nextInt(3)],
                                             (short) (1 + random.nextInt(3))));
            next = last + 1 + (random.nextBoolean() ? 0 : random.nextInt(4));
        }
        return made;
    }

    static String told(List<PersisterStateBatch> batches) {
        return batches.stream()
            .map(b -> b.firstOffset() + "-" + b.lastOffset() + ":" + b.deliveryState() + ":"
                     + b.deliveryCount())
            .collect(Collectors.joining(","));
    }

    public static void main(String[] args) {
        for (int i = 0; i < 400; i++) {
            long start = random.nextInt(5) == 0 ? -1 : random.nextInt(12);
            List<PersisterStateBatch> known =
                new PersisterStateBatchCombiner(batches(4), batches(4), -1).combineStateBatches();
            List<PersisterStateBatch> added = batches(5);
            String line = start + ";" + told(known) + ";" + told(added) + ";";
            System.out.println(
                line + told(new PersisterStateBatchCombiner(known, added, start).combineStateBatches()));
        }
    }
}
