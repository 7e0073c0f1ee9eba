// millrace metadata-shell, kafka-metadata-shell.sh: shows the metadata of a cluster as a tree, from
// a snapshot, a log directory or controllers that run.

#include <CLI/CLI.hpp>
#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/log.h"
#include "env/posix/disk.h"
#include "env/posix/standard_streams.h"
#include "env/posix/world.h"
#include "server/arguments.h"
#include "server/commands.h"
#include "server/live_metadata.h"
#include "server/shell.h"
#include "server/shell_source.h"
#include "server/version.h"

namespace millrace::server {
namespace {

constexpr std::string_view command_name = "metadata-shell";

class StandardOutput final : public TextSink {
  public:
    void out(std::string_view text) override {
        waiting_ += text;
        if (waiting_.size() >= most_waiting) flush();
    }
    void err(std::string_view text) override {
        flush();
        env::posix::write_standard(env::posix::StandardStream::error, text);
    }
    void flush() {
        env::posix::write_standard(env::posix::StandardStream::output, waiting_);
        waiting_.clear();
    }

  private:
    static constexpr std::size_t most_waiting = std::size_t{64} << 10U;
    std::string waiting_;
};

struct Flags {
    std::string snapshot;
    std::string directory;
    LiveAddress live;
    std::vector<std::string> command;

    bool lives() const {
        return !live.bootstrap_server.empty() || !live.bootstrap_controller.empty();
    }
};

// Lines of standard input; nothing at its end.
class Lines {
  public:
    bool from_a_person() const { return input_.is_terminal(); }
    std::optional<std::string> next() {
        while (true) {
            if (std::size_t end = read_.find('\n'); end != std::string::npos) {
                std::string line = read_.substr(0, end);
                read_.erase(0, end + 1);
                return line;
            }
            if (ended_)
                return read_.empty() ? std::nullopt : std::optional(std::exchange(read_, {}));
            std::array<std::uint8_t, 4096> piece;
            auto size = input_.read(piece);
            ended_ = !size || *size == 0;
            if (!ended_) read_ += as_string(Bytes(piece).first(*size));
        }
    }

  private:
    env::posix::StandardInput input_;
    std::string read_;
    bool ended_ = false;
};

metadata::TreeNode root_of(const ShellSource& source) {
    metadata::TreeNode local = metadata::folder([] {
        return std::vector<metadata::TreeEntry>{
            {"version", metadata::leaf(std::string(kafka_version))}};
    });
    metadata::TreeNode image = metadata::image_tree(source.image, source.provenance);
    return metadata::folder([local, image] {
        return std::vector<metadata::TreeEntry>{{"image", image}, {"local", local}};
    });
}

// A person at the terminal, or a script, and the shell.
class Conversation {
  public:
    explicit Conversation(StandardOutput& output) : output_(output) {
        if (prompts_) output_.out("[ Kafka Metadata Shell ]\n");
    }
    // The next line; nothing when there is none, or the shell has ended. Blocks.
    std::optional<std::string> next(const Shell& shell) {
        if (prompts_ && !shell.has_ended()) output_.out(">> ");
        output_.flush();
        return shell.has_ended() ? std::nullopt : lines_.next();
    }

  private:
    StandardOutput& output_;
    Lines lines_;
    bool prompts_ = lines_.from_a_person();
};

// One command, or a conversation about what does not change.
int show(const ShellSource& source, const Flags& flags) {
    StandardOutput output;
    if (flags.command.empty()) {
        Shell shell(root_of(source), Shell::Mode::conversation, output);
        Conversation conversation(output);
        while (auto line = conversation.next(shell)) shell.run_line(*line);
        return done;
    }
    Shell shell(root_of(source), Shell::Mode::single_command, output);
    bool succeeded = shell.run(flags.command);
    output.flush();
    return succeeded ? done : failed;
}

// Each command sees what is committed when it is given.
Task<int> converse(env::Shard& shard, LiveMetadata& live, ShellSource source) {
    StandardOutput output;
    Shell shell(root_of(source), Shell::Mode::conversation, output);
    Conversation conversation(output);
    int code = done;
    while (true) {
        std::optional<std::string> line;
        co_await env::lasting(shard, [&] { line = conversation.next(shell); });
        if (!line) co_return code;
        if (Shell::reads_tree(*line)) {
            if (auto now = co_await live.read()) {
                source = *std::move(now);
                shell.show(root_of(source));
            } else {
                code = complain(command_name,
                                fmt::format("{} (this is the metadata at offset {})",
                                            now.error().message, source.provenance.offset));
            }
        }
        shell.run_line(*line);
    }
}

Task<int> show_live(env::Shard& shard, const Flags& flags) {
    auto live = co_await LiveMetadata::open(shard, flags.live);
    if (!live) co_return complain(command_name, live.error().message);
    for (const std::string& warning : (*live)->warnings()) complain(command_name, warning);
    auto source = co_await (*live)->read();
    int code = failed;
    if (!source) {
        complain(command_name, source.error().message);
    } else if (flags.command.empty()) {
        code = co_await converse(shard, **live, *std::move(source));
    } else {
        code = show(*source, flags);
    }
    co_await (*live)->close();
    co_return code;
}

Result<> check(const Flags& flags) {
    bool of_live = !flags.live.command_config.empty() || !flags.live.cluster_id.empty();
    if (flags.lives() || !of_live) return {};
    return fail(ErrorCode::invalid_request,
                "--command-config and --cluster-id are for a cluster that runs: name it with "
                "--bootstrap-controller or --bootstrap-server");
}

}  // namespace

int metadata_shell(std::span<const std::string> arguments) {
    CLI::App app("Shows the metadata of a cluster as a tree.", "millrace metadata-shell");
    Flags flags;
    app.set_help_flag("-h,--help", "Print this");
    app.set_version_flag("--version", std::string(kafka_version), "Print Kafka's version");
    auto* from = app.add_option_group("source");
    from->add_option("-s,--snapshot", flags.snapshot, "A snapshot of the metadata log to read");
    from->add_option("-d,--directory", flags.directory,
                     "The log directory of a node that is not running");
    from->add_option("--bootstrap-controller", flags.live.bootstrap_controller,
                     "HOST:PORT of controllers that run, separated by commas");
    from->add_option("--bootstrap-server", flags.live.bootstrap_server,
                     "HOST:PORT of brokers, which tell where the controllers are");
    from->require_option(1);
    app.add_option("--command-config", flags.live.command_config,
                   "A file of properties for the client that reads from controllers");
    app.add_option("--cluster-id", flags.live.cluster_id,
                   "Read from no cluster but the one with this id");
    app.add_option("command", flags.command,
                   "cat, find, ls or tree and its paths; without one, commands are read from "
                   "standard input");
    app.positionals_at_end();
    try {
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? done : failed;
    }
    if (Result<> checked = check(flags); !checked)
        return complain(command_name, checked.error().message);
    if (flags.lives()) {
        (void)log::set_level("*", "error");  // what is wrong is said in sentences of its own
        env::posix::World world({.shards = 1, .helper_threads = 1, .timestamp_log = false});
        return world.run([&](env::Shard& shard) { return show_live(shard, flags); });
    }
    env::posix::Disk disk;
    auto source = flags.snapshot.empty() ? read_log_directory(disk, flags.directory)
                                         : read_snapshot_file(disk, flags.snapshot);
    if (!source) return complain(command_name, source.error().message);
    return show(*source, flags);
}

}  // namespace millrace::server
