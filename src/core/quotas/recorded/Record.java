// Prints what Apache Kafka's own quota managers make of random clients, for apache_test.cc:
// java -cp 'CLASSES:JARS/*' Record > throttles.tsv
//
//   walk    produce, strict or permissive; samples, seconds of one
//   quota   user, client id, bound: of none "-", the default "*"; no bound "-": removed
//   charge  milliseconds, user, client id, value, milliseconds to wait
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.Supplier;
import org.apache.kafka.common.metrics.Metrics;
import org.apache.kafka.common.metrics.Quota;
import org.apache.kafka.common.security.auth.KafkaPrincipal;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.common.utils.Timer;
import org.apache.kafka.network.Session;
import org.apache.kafka.server.config.ClientQuotaManagerConfig;
import org.apache.kafka.server.quota.ClientQuotaEntity.ConfigEntity;
import org.apache.kafka.server.quota.ClientQuotaManager;
import org.apache.kafka.server.quota.ControllerMutationQuotaManager;
import org.apache.kafka.server.quota.QuotaType;

public final class Record {
    private static final Random RANDOM = new Random(13);
    private static final String[] USERS = {"alice", "bob", "CN=carol, O=x"};
    private static final String[] CLIENTS = {"shop", "bank:1", ""};

    private static final class HandTime implements Time {
        long now = 1_700_000_000_000L;
        @Override public long milliseconds() { return now; }
        @Override public long nanoseconds() { return now * 1_000_000; }
        @Override public void sleep(long ms) { now += ms; }
        @Override public void waitObject(Object o, Supplier<Boolean> done, long until) { }
        @Override public Timer timer(long ms) { return Time.SYSTEM.timer(ms); }
    }

    private record Entity(String user, String client) { }

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < 36; ++i) walk(i % 3 == 0 ? "strict" : i % 3 == 1 ? "permissive" : "produce");
        System.exit(0);
    }

    private static String any(String[] names) {
        int at = RANDOM.nextInt(names.length + 2);
        return at < names.length && !names[at].isEmpty() ? names[at] : at == names.length ? "*" : "-";
    }

    private static void set(ClientQuotaManager manager, Entity entity, Double bound) {
        Optional<ConfigEntity> user = entity.user.equals("-") ? Optional.empty()
            : entity.user.equals("*") ? Optional.of(ClientQuotaManager.DEFAULT_USER_ENTITY)
            : Optional.of(new ClientQuotaManager.UserEntity(
                  org.apache.kafka.common.utils.Sanitizer.sanitize(entity.user)));
        Optional<ConfigEntity> client = entity.client.equals("-") ? Optional.empty()
            : entity.client.equals("*") ? Optional.of(ClientQuotaManager.DEFAULT_USER_CLIENT_ID)
            : Optional.of(new ClientQuotaManager.ClientIdEntity(entity.client));
        manager.updateQuota(user, client, Optional.ofNullable(bound).map(b -> new Quota(b, true)));
        System.out.println("quota\t" + entity.user + "\t" + entity.client + "\t"
            + (bound == null ? "-" : bound));
    }

    private static void walk(String kind) throws Exception {
        HandTime time = new HandTime();
        Metrics metrics = new Metrics(time);
        ClientQuotaManagerConfig config = RANDOM.nextBoolean() ? new ClientQuotaManagerConfig()
            : new ClientQuotaManagerConfig(1 + RANDOM.nextInt(5), 1 + RANDOM.nextInt(3));
        System.out.println("walk\t" + kind + "\t" + config.numQuotaSamples() + "\t"
            + config.quotaWindowSizeSeconds());
        ControllerMutationQuotaManager mutations = kind.equals("produce") ? null
            : new ControllerMutationQuotaManager(config, metrics, time, "", Optional.empty());
        ClientQuotaManager manager = mutations != null ? mutations
            : new ClientQuotaManager(config, metrics, QuotaType.PRODUCE, time, "");

        List<Entity> entities = new ArrayList<>();
        for (int i = 1 + RANDOM.nextInt(6); i > 0; --i) {
            Entity entity = new Entity(any(USERS), any(CLIENTS));
            if (entity.user.equals("-") && entity.client.equals("-")) continue;
            if (entities.contains(entity)) continue;
            entities.add(entity);
            set(manager, entity, bound(kind));
        }
        for (int i = 0; i < 120; ++i) {
            time.now += RANDOM.nextInt(8) == 0 ? RANDOM.nextInt(20_000) : RANDOM.nextInt(600);
            if (!entities.isEmpty() && RANDOM.nextInt(20) == 0) {
                Entity entity = entities.get(RANDOM.nextInt(entities.size()));
                boolean goes = RANDOM.nextInt(4) == 0;
                set(manager, entity, goes ? null : bound(kind));
                if (goes) entities.remove(entity);
            }
            String user = USERS[RANDOM.nextInt(USERS.length)];
            String client = CLIENTS[RANDOM.nextInt(CLIENTS.length)];
            Session session = new Session(new KafkaPrincipal("User", user),
                InetAddress.getLoopbackAddress());
            double value = kind.equals("produce") ? RANDOM.nextInt(RANDOM.nextBoolean() ? 500 : 20_000)
                : 1 + RANDOM.nextInt(40);
            long waits;
            if (kind.equals("permissive")) {
                var quota = mutations.newPermissiveQuotaFor(session, client);
                quota.record(value);
                waits = quota.throttleTime();
            } else {
                waits = manager.maybeRecordAndGetThrottleTimeMs(session, client, value, time.now);
            }
            System.out.println("charge\t" + time.now + "\t" + user + "\t" + client + "\t"
                + (long) value + "\t" + waits);
        }
        manager.shutdown();
        metrics.close();
    }

    private static double bound(String kind) {
        return kind.equals("produce") ? 1 + RANDOM.nextInt(2000) : (1 + RANDOM.nextInt(80)) / 10.0;
    }
}
