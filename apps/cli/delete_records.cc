#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/output.h"
#include "cli/partition_file.h"
#include "client/admin_offsets.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

constexpr Flag flags[] = {
    bootstrap_server().required(),
    command_config(),
    value("offset-json-file", "FILE",
          R"({"version": 1, "partitions": [{"topic": "t", "partition": 0, "offset": 5}]}: )"
          "records below these offsets go, with -1 all")
        .file()
        .required(),
};

using Offsets = std::map<client::TopicPartition, std::int64_t>;

Result<Offsets> parse_offsets(std::string_view path, std::string_view text) {
    ASSIGN_OR_RETURN(PartitionFile file, PartitionFile::parse(path, text));
    Offsets offsets;
    for (const auto& [partition, members] : file.entries) {
        const json::value* offset = members->if_contains("offset");
        if (offset == nullptr || !offset->is_int64()) {
            return malformed(
                path, fmt::format("{} needs an offset (a whole number)", to_string(partition)));
        }
        offsets.emplace(partition, offset->get_int64());
    }
    return offsets;
}

Task<Result<>> remove(client::Admin& admin, const Arguments& arguments, Output& output) {
    std::string_view path = arguments.text("offset-json-file");
    ASSIGN_OR_CO_RETURN(std::string text, read_named_file(admin.shard(), path));
    ASSIGN_OR_CO_RETURN(Offsets offsets, parse_offsets(path, text));
    if (!arguments.as_json()) output.line("Executing records delete operation");
    auto outcomes = co_await client::delete_records(admin, std::move(offsets));
    if (!arguments.as_json()) output.line("Records delete operation completed:");
    json::array documents;
    for (const auto& [partition, low] : outcomes) {
        if (!arguments.as_json()) {
            if (low) {
                output.line("partition: {}\tlow_watermark: {}", to_string(partition), *low);
            } else {
                output.line("partition: {}\terror: {}", to_string(partition), low.error().message);
            }
            continue;
        }
        json::object one{{"topic", partition.topic}, {"partition", partition.partition}};
        if (low) {
            one["low_watermark"] = *low;
        } else {
            one["error"] = low.error().message;
        }
        documents.push_back(std::move(one));
    }
    if (arguments.as_json()) output.json(json::object{{"partitions", std::move(documents)}});
    co_return Result<>();
}

Task<int> run(env::Shard& shard, const Arguments& arguments, Output& output) {
    co_return co_await run_with_admin(shard, arguments, output, remove);
}

}  // namespace

const Command tools::delete_records{
    .name = "delete-records",
    .kafka_name = "kafka-delete-records",
    .summary = "delete the oldest records of partitions",
    .flags = flags,
    .run = run,
};

}  // namespace millrace::cli
