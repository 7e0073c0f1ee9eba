#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/output.h"
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

std::unexpected<Error> malformed(std::string_view path, std::string_view what) {
    return misuse(fmt::format("{}: {}", path, what));
}

Result<Offsets> parse_offsets(std::string_view path, std::string_view text) {
    boost::system::error_code broken;
    json::value document = json::parse(json::string_view(text.data(), text.size()), broken);
    if (broken || !document.is_object()) {
        return malformed(path, "The input string is not a valid JSON");
    }
    const json::object& root = document.get_object();
    if (const json::value* version = root.if_contains("version")) {
        if (!version->is_int64() || version->get_int64() != 1) {
            return malformed(path, "Not supported version field value: it has to be 1");
        }
    }
    const json::value* partitions = root.if_contains("partitions");
    if (partitions == nullptr || !partitions->is_array()) {
        return malformed(path, "Missing partitions field");
    }
    Offsets offsets;
    for (const json::value& one : partitions->get_array()) {
        const json::object* entry = one.if_object();
        auto member = [&](const char* name) {
            return entry == nullptr ? nullptr : entry->if_contains(name);
        };
        const json::value* topic = member("topic");
        const json::value* partition = member("partition");
        const json::value* offset = member("offset");
        bool complete = topic != nullptr && topic->is_string() && partition != nullptr &&
                        partition->is_int64() && offset != nullptr && offset->is_int64();
        if (!complete) {
            return malformed(path,
                             "each of the partitions needs a topic (text), a partition and "
                             "an offset (whole numbers)");
        }
        auto index = parse_int32(std::to_string(partition->get_int64()));
        if (!index) return malformed(path, "a partition is no number of 32 bits");
        client::TopicPartition key{std::string(topic->get_string()), *index};
        if (!offsets.try_emplace(key, offset->get_int64()).second) {
            return malformed(path, fmt::format("Offset json file contains duplicate topic "
                                               "partitions: {}",
                                               to_string(key)));
        }
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
