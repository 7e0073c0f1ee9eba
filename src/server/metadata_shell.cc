// millrace metadata-shell, kafka-metadata-shell.sh: shows the metadata of a cluster as a tree, from
// a snapshot or a log directory.

#include <CLI/CLI.hpp>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "env/posix/disk.h"
#include "env/posix/standard_streams.h"
#include "server/arguments.h"
#include "server/commands.h"
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
    std::vector<std::string> command;
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

int converse(Shell& shell, StandardOutput& output) {
    Lines lines;
    bool prompts = lines.from_a_person();
    if (prompts) output.out("[ Kafka Metadata Shell ]\n");
    while (!shell.has_ended()) {
        if (prompts) output.out(">> ");
        output.flush();
        std::optional<std::string> line = lines.next();
        if (!line) break;
        shell.run_line(*line);
    }
    output.flush();
    return done;
}

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
    from->require_option(1);
    app.add_option("command", flags.command,
                   "cat, find, ls or tree and its paths; without one, commands are read from "
                   "standard input");
    app.positionals_at_end();
    try {
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? done : failed;
    }
    env::posix::Disk disk;
    auto source = flags.snapshot.empty() ? read_log_directory(disk, flags.directory)
                                         : read_snapshot_file(disk, flags.snapshot);
    if (!source) return complain(command_name, source.error().message);
    StandardOutput output;
    bool single = !flags.command.empty();
    Shell shell(root_of(*source), single ? Shell::Mode::single_command : Shell::Mode::conversation,
                output);
    if (!single) return converse(shell, output);
    bool succeeded = shell.run(flags.command);
    output.flush();
    return succeeded ? done : failed;
}

}  // namespace millrace::server
