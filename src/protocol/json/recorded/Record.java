// Writes messages.tsv: for messages that Apache Kafka's own classes encoded, what its own JSON
// converters make of them. Input is lines of tests/vectors.tsv.gz; the class path holds the jars of
// kafka-clients, kafka-metadata, kafka-storage and the three coordinators.
//   java -cp 'jars/*' Record.java < vectors.tsv > messages.tsv

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;

class Record {
    public static void main(String[] arguments) throws Exception {
        int most = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 1;
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        Map<String, Integer> taken = new HashMap<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null;) {
            String[] cells = line.split("\t", -1);
            String group = cells[0] + cells[1] + cells[2];
            if (cells[2].equals("default") && most == 1) continue;
            if (taken.merge(group, 1, Integer::sum) > most) continue;
            short version = Short.parseShort(cells[1]);
            Class<?> type = Class.forName(cells[0]);
            Message message = (Message) type.getDeclaredConstructor().newInstance();
            ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(cells[3]));
            message.read(new ByteBufferAccessor(bytes), version);
            Method write = Class.forName(cells[0] + "JsonConverter")
                .getMethod("write", type, short.class);
            JsonNode json = (JsonNode) write.invoke(null, message, version);
            String name = cells[0].substring(cells[0].lastIndexOf('.') + 1);
            out.println(name + "\t" + version + "\t" + cells[3] + "\t" + json);
        }
    }
}
