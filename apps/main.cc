// millrace: one executable. `millrace COMMAND …`, or a link named after one of Kafka's tools
// (kafka-topics, kafka-topics.sh) that leads here.

#include <cstdlib>
#include <string>
#include <vector>

#include "base/log.h"
#include "cli/dispatch.h"
#include "env/posix/signals.h"
#include "env/posix/standard_streams.h"
#include "env/posix/time_zone.h"
#include "env/posix/world.h"
#include "server/commands.h"

namespace millrace {
namespace {

namespace posix = env::posix;

class RealProcess final : public cli::Process {
  public:
    bool write_output(std::string_view text) override {
        return posix::write_standard(posix::StandardStream::output, text);
    }
    bool write_error(std::string_view text) override {
        return posix::write_standard(posix::StandardStream::error, text);
    }
    Result<std::size_t> read_input(MutableBytes into) override { return input_.read(into); }
    void stop_input() override { input_.stop(); }
    bool asks_a_person() const override { return input_.is_terminal(); }
    Duration ahead_of_utc(Timestamp time) const override { return posix::ahead_of_utc(time); }
    Result<std::string> executable() const override { return posix::own_executable(); }
    Result<> make_link(std::string_view target, std::string_view path) override {
        return posix::make_link(std::string(target), std::string(path));
    }

  private:
    posix::StandardInput input_;
};

constexpr int interrupted = 128;  // and the signal's number

// The first signal lets the tool end in its own way; the second ends the process.
Task<void> watch_signals(posix::Signals& signals, cli::Process& process) {
    int first = co_await signals.next();
    if (!process.interrupt()) std::_Exit(interrupted + first);
    std::_Exit(interrupted + co_await signals.next());
}

int run_tool(const cli::Invocation& invocation, std::span<const cli::Outsider> outsiders) {
    (void)log::set_level("*", "error");  // a tool says what is wrong in sentences of its own
    std::vector<int> kept{SIGINT, SIGTERM};
    posix::World world({.shards = 1, .helper_threads = 2, .signals = kept, .timestamp_log = false});
    RealProcess process;
    return world.run([&](env::Shard& shard) -> Task<int> {
        posix::Signals signals(shard, kept);
        co_return co_await with_scope([&](Scope& scope) -> Task<int> {
            scope.spawn(watch_signals(signals, process));
            co_return co_await cli::run(shard, process, invocation, outsiders);
        });
    });
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
    using namespace millrace;
    std::vector<std::string> line(argv, argv + argc);
    std::vector<cli::Outsider> outsiders;
    for (const server::ServerCommand& command : server::server_commands()) {
        outsiders.push_back({command.name, command.kafka_name, command.summary});
    }
    cli::Invocation invocation = cli::read_invocation(line, outsiders);
    for (const server::ServerCommand& command : server::server_commands()) {
        if (command.name == invocation.command) return command.run(invocation.words);
    }
    return run_tool(invocation, outsiders);
}
