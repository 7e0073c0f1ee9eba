#include <algorithm>
#include <fmt/format.h>
#include <initializer_list>
#include <iterator>

#include "cli/message_format.h"
#include "protocol/json/message_json.h"
#include "protocol/reader.h"

namespace millrace::cli {

namespace {

// Records of a coordinator as Kafka's formatters show them: {"key": {"type", "data"}, "value":
// {"version", "data"}}. Of other types than the formatter's, and of unknown ones, nothing.
class CoordinatorFormat final : public MessageFormat {
  public:
    CoordinatorFormat(RecordFamily family, std::initializer_list<std::int16_t> types)
        : family_(family), types_(types) {}

    Result<> write(const client::ConsumedBatch&, const Record& record, std::string& out) override {
        if (!record.key || record.key->size() < 2) return {};
        Reader key(*record.key);
        std::int16_t type = key.read_int16();
        const RecordSchema* schema = find_record_schema(family_, type);
        if (schema == nullptr || schema->key == nullptr) return {};
        if (!types_.empty() && std::ranges::find(types_, type) == types_.end()) return {};
        auto end = std::back_inserter(out);
        fmt::format_to(end, R"({{"key":{{"type":{},"data":)", type);
        if (auto shown = append_json(out, *schema->key, key, 0); !shown) {
            return unreadable(record, shown.error());
        }
        out += "},\"value\":";
        if (!record.value) {
            out += "null}\n";
            return {};
        }
        Reader value(*record.value);
        std::int16_t version = value.read_int16();
        if (!schema->value->versions.contains(version)) {
            return unreadable(record, {ErrorCode::unsupported_version,
                                       fmt::format("version {} is unknown", version)});
        }
        fmt::format_to(end, R"({{"version":{},"data":)", version);
        if (auto shown = append_json(out, *schema->value, value, version); !shown) {
            return unreadable(record, shown.error());
        }
        out += "}}\n";
        return {};
    }

  private:
    static std::unexpected<Error> unreadable(const Record& record, const Error& error) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("The record at offset {} is none of its topic: {}", record.offset,
                                error.message));
    }

    RecordFamily family_;
    std::vector<std::int16_t> types_;  // empty: all
};

constexpr std::int16_t legacy_offset_commit = 0;
constexpr std::int16_t offset_commit = 1;
constexpr std::int16_t group_metadata = 2;

}  // namespace

std::unique_ptr<MessageFormat> make_coordinator_format(std::string_view class_name) {
    auto make = [](RecordFamily family, std::initializer_list<std::int16_t> types) {
        return std::make_unique<CoordinatorFormat>(family, types);
    };
    if (class_name == "OffsetsMessageFormatter") {
        return make(RecordFamily::group, {legacy_offset_commit, offset_commit});
    }
    if (class_name == "GroupMetadataMessageFormatter") {
        return make(RecordFamily::group, {group_metadata});
    }
    if (class_name == "TransactionLogMessageFormatter") {
        return make(RecordFamily::transaction, {});
    }
    return nullptr;
}

}  // namespace millrace::cli
