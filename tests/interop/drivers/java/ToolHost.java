import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the main methods of Apache's tools one after the other in one virtual machine: starting
 * one for each run would cost a second every time.
 *
 * Reads lines of JSON {"class", "args", "stdin"}; answers each with {"status", "out", "err"}.
 */
public final class ToolHost {
    /** Stands for the end of the process, where a tool asks for it. */
    private static final class Ended extends Error {
        Ended() {
            super(null, null, false, false);
        }
    }

    private static final int NOT_ENDED = Integer.MIN_VALUE;

    public static void main(String[] args) throws Exception {
        ObjectMapper json = new ObjectMapper();
        PrintStream answers = System.out;
        BufferedReader commands =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        // A tool that catches its own end asks again: the first status is the one that counts.
        AtomicInteger status = new AtomicInteger();
        Exit.Procedure end = (code, message) -> {
            status.compareAndSet(NOT_ENDED, code);
            throw new Ended();
        };
        Exit.setExitProcedure(end);
        Exit.setHaltProcedure(end);
        ConcurrentLinkedQueue<Runnable> hooks = new ConcurrentLinkedQueue<>();
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));

        for (String line = commands.readLine(); line != null; line = commands.readLine()) {
            JsonNode command = json.readTree(line);
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            ByteArrayOutputStream err = new ByteArrayOutputStream();
            System.setIn(new ByteArrayInputStream(
                command.path("stdin").asText("").getBytes(StandardCharsets.UTF_8)));
            System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
            status.set(NOT_ENDED);
            Throwable thrown = run(command, json.convertValue(command.get("args"), String[].class));
            hooks.clear();
            if (thrown != null) {
                thrown.printStackTrace(System.err);
                status.compareAndSet(NOT_ENDED, 1);
            }
            status.compareAndSet(NOT_ENDED, 0);
            Map<String, Object> answer = new HashMap<>();
            answer.put("status", status.get());
            answer.put("out", out.toString(StandardCharsets.UTF_8));
            answer.put("err", err.toString(StandardCharsets.UTF_8));
            answers.println(json.writeValueAsString(answer));
            answers.flush();
        }
    }

    private static Throwable run(JsonNode command, String[] args) throws Exception {
        try {
            Class<?> tool = Class.forName(command.get("class").asText());
            // Scala's Console keeps the stream it saw first.
            scala.Console$.MODULE$.setOutDirect(System.out);
            scala.Console$.MODULE$.setErrDirect(System.err);
            tool.getMethod("main", String[].class).invoke(null, (Object) args);
            return null;
        } catch (InvocationTargetException wrapped) {
            return wrapped.getCause() instanceof Ended ? null : wrapped.getCause();
        }
    }
}
