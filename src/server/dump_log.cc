// millrace dump-log, kafka-dump-log.sh: prints and checks the files of a partition or of the
// metadata log, without a node.

#include "server/dump_log.h"

#include <cstdio>
#include <filesystem>

#include "env/disk.h"
#include "env/posix/disk.h"
#include "server/arguments.h"
#include "server/commands.h"
#include "server/dump_log_file.h"
#include "server/dump_log_state.h"
#include "storage/file_names.h"

namespace millrace::server {
namespace {

constexpr std::string_view checkpoint_suffix = ".checkpoint";

class StandardStreams final : public TextSink {
  public:
    StandardStreams() { std::setvbuf(stdout, nullptr, _IOFBF, std::size_t{64} << 10U); }
    ~StandardStreams() override { std::fflush(stdout); }
    void out(std::string_view text) override { std::fwrite(text.data(), 1, text.size(), stdout); }
    // In order with what went to stdout, where both are the same terminal.
    void err(std::string_view text) override {
        std::fflush(stdout);
        std::fwrite(text.data(), 1, text.size(), stderr);
    }
};

Result<> dump_file(env::Disk& disk, const std::string& path, const DumpOptions& options,
                   DumpOutput& output, Findings& findings) {
    std::string_view name = file_name(path);
    std::size_t dot = name.rfind('.');
    std::string_view suffix = dot == std::string_view::npos ? "" : name.substr(dot);
    if (suffix == storage::log_suffix || suffix == checkpoint_suffix)
        return dump_records(disk, path, options.records, output, findings);
    if (suffix == storage::index_suffix)
        return dump_offset_index(disk, path, options.index, output, findings);
    if (suffix == storage::time_index_suffix)
        return dump_time_index(disk, path, options.index, output, findings);
    if (suffix == storage::snapshot_suffix) return dump_producers(disk, path, output);
    if (suffix == storage::transaction_index_suffix) return dump_aborted(disk, path, output);
    output.unknown_file(path);
    return {};
}

}  // namespace

int dump_files(env::Disk& disk, const DumpOptions& options, TextSink& sink) {
    std::unique_ptr<DumpOutput> output = options.json ? json_output(sink) : text_output(sink);
    Findings findings{.working_directory = options.working_directory};
    for (const std::string& path : options.files) {
        output->file(path);
        Result<> dumped = dump_file(disk, path, options, *output, findings);
        if (!dumped) {
            output->problem(dumped.error().message);
            return failed;
        }
    }
    findings.sort();
    output->findings(findings);
    return done;
}

int dump_log(std::span<const std::string> arguments) {
    StandardStreams streams;
    DumpArguments parsed = parse_dump_arguments(arguments, streams);
    if (parsed.exit_code) return *parsed.exit_code;
    std::error_code unknown;
    parsed.options.working_directory = std::filesystem::current_path(unknown).string();
    env::posix::Disk disk;
    return dump_files(disk, parsed.options, streams);
}

}  // namespace millrace::server
