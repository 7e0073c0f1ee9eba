#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>

#include "server/arguments.h"
#include "server/dump_log.h"
#include "server/version.h"

namespace millrace::server {
namespace {

constexpr std::string_view default_decoder = "org.apache.kafka.tools.api.StringDecoder";

// The flags as they stand on the command line.
struct Flags {
    std::string files;
    std::string key_decoder{default_decoder};
    std::string value_decoder{default_decoder};
    std::string format = "text";
    std::int32_t max_bytes = RecordDump::all_bytes;
    std::int32_t max_message_size = IndexDump{}.max_message_size;
    bool print = false;
    bool deep = false;
    bool skip_metadata = false;
    bool verify_only = false;
    bool sanity_only = false;
    bool offsets = false;
    bool transactions = false;
    bool metadata = false;
    bool remote = false;
    bool share = false;
};

void declare_decoders(CLI::App& app, Flags& flags) {
    app.add_flag("--offsets-decoder", flags.offsets,
                 "Take records for those of __consumer_offsets");
    app.add_flag("--transaction-log-decoder", flags.transactions,
                 "Take records for those of __transaction_state");
    app.add_flag("--cluster-metadata-decoder", flags.metadata,
                 "Take records for those of __cluster_metadata and its snapshots");
    app.add_flag("--share-group-state-decoder", flags.share,
                 "Take records for those of __share_group_state");
    app.add_flag("--remote-log-metadata-decoder", flags.remote,
                 "Take records for those of __remote_log_metadata");
    for (auto [name, value] : {std::pair("--key-decoder-class", &flags.key_decoder),
                               std::pair("--value-decoder-class", &flags.value_decoder)}) {
        app.add_option(name, *value,
                       "StringDecoder, IntegerDecoder, LongDecoder or DefaultDecoder (shown in "
                       "hex) of org.apache.kafka.tools.api")
            ->expected(0, 1)
            ->capture_default_str();
    }
}

void declare(CLI::App& app, Flags& flags) {
    app.add_option("--files", flags.files,
                   "Required: what to print, separated by commas: .log, .index, .timeindex, "
                   ".txnindex, .snapshot, .checkpoint");
    app.add_flag("--print-data-log", flags.print,
                 "Print keys and payloads; a decoder means the same");
    app.add_flag("--deep-iteration", flags.deep,
                 "Print each record, not only batches; --print-data-log means the same");
    app.add_flag("--skip-record-metadata", flags.skip_metadata,
                 "Print nothing of a record but key and payload; control records are left out");
    app.add_flag("--verify-index-only", flags.verify_only,
                 "Compare indexes with their log without printing their entries");
    app.add_flag("--index-sanity-check", flags.sanity_only,
                 "Only check indexes as a node does when it starts");
    app.add_option("--max-bytes", flags.max_bytes, "Stop in a log behind so many bytes of batches")
        ->capture_default_str();
    app.add_option("--max-message-size", flags.max_message_size,
                   "Bytes of the largest batch that an index may point at, and, above 128 MiB, "
                   "of the largest whose records are read")
        ->capture_default_str();
    declare_decoders(app, flags);
    app.add_option("--format", flags.format, "text, or json: one object a line")
        ->check(CLI::IsMember({"text", "json"}))
        ->capture_default_str();
}

// As Java's String.split: nothing behind the last name.
std::vector<std::string> split_files(std::string_view text) {
    std::vector<std::string> files;
    while (true) {
        std::size_t comma = text.find(',');
        files.emplace_back(text.substr(0, comma));
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    while (files.size() > 1 && files.back().empty()) files.pop_back();
    return files;
}

// As java.io.File: one slash where there are several, and none at the end.
std::string normal_path(std::string path) {
    auto repeated = [](char a, char b) { return a == '/' && b == '/'; };
    path.erase(std::unique(path.begin(), path.end(), repeated), path.end());
    if (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

DecoderKind decoder_kind(const Flags& flags) {
    if (flags.offsets) return DecoderKind::offsets;
    if (flags.transactions) return DecoderKind::transaction_log;
    if (flags.metadata) return DecoderKind::cluster_metadata;
    if (flags.remote) return DecoderKind::remote_log_metadata;
    if (flags.share) return DecoderKind::share_group_state;
    return DecoderKind::plain;
}

Result<DumpOptions> options_of(const CLI::App& app, const Flags& flags) {
    DumpOptions options;
    options.json = flags.format == "json";
    for (std::string& file : split_files(flags.files)) {
        options.files.push_back(normal_path(std::move(file)));
    }
    if (flags.max_bytes < 0 || flags.max_message_size < 0) {
        return fail(ErrorCode::invalid_request, "Sizes are not below 0");
    }
    RecordDump& records = options.records;
    records.decoder.kind = decoder_kind(flags);
    bool decodes = records.decoder.kind != DecoderKind::plain ||
                   app.count("--key-decoder-class") > 0 || app.count("--value-decoder-class") > 0;
    records.contents = flags.print || decodes;
    records.records = flags.deep || records.contents;
    records.metadata = !flags.skip_metadata;
    records.max_bytes = flags.max_bytes;
    records.batch_limit =
        std::max(default_inflated_limit, static_cast<std::size_t>(flags.max_message_size));
    if (records.decoder.kind == DecoderKind::plain) {
        ASSIGN_OR_RETURN(records.decoder.key, plain_decoder(flags.key_decoder));
        ASSIGN_OR_RETURN(records.decoder.value, plain_decoder(flags.value_decoder));
    }
    options.index = {.sanity_only = flags.sanity_only,
                     .quiet = flags.verify_only,
                     .max_message_size = flags.max_message_size,
                     .batch_limit = records.batch_limit};
    return options;
}

DumpArguments ended(int exit_code) { return {.options = {}, .exit_code = exit_code}; }

}  // namespace

DumpArguments parse_dump_arguments(std::span<const std::string> arguments, TextSink& sink) {
    CLI::App app("Prints and checks the files of a log: segments, indexes, snapshots.",
                 "millrace dump-log");
    app.set_help_flag("--help", "Print this");
    app.set_version_flag("--version", std::string(kafka_version), "Print Kafka's version");
    Flags flags;
    declare(app, flags);
    if (arguments.empty()) {
        sink.err(app.help());
        return ended(failed);
    }
    try {
        app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::CallForHelp&) {
        sink.out(app.help());
        return ended(done);
    } catch (const CLI::CallForVersion&) {
        sink.out(fmt::format("{}\n", kafka_version));
        return ended(done);
    } catch (const CLI::ParseError& error) {
        sink.err(fmt::format("millrace dump-log: {}\n", error.what()));
        return ended(failed);
    }
    if (app.count("--files") == 0) {
        sink.err(fmt::format("millrace dump-log: --files is missing\n{}", app.help()));
        return ended(failed);
    }
    Result<DumpOptions> options = options_of(app, flags);
    if (options) return {.options = *std::move(options), .exit_code = std::nullopt};
    sink.err(fmt::format("millrace dump-log: {}\n", options.error().message));
    return ended(failed);
}

}  // namespace millrace::server
