#include "cli/message_format.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <iterator>

#include "base/log.h"
#include "cli/deserializers.h"
#include "cli/message_reader.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

log::Area log_area{"cli"};

std::string_view name_of(TimestampType type) {
    return type == TimestampType::log_append_time ? "LogAppendTime" : "CreateTime";
}

// Columns in Kafka's order: timestamp, partition, offset, delivery, epoch, headers, key, value.
class DefaultFormat final : public MessageFormat {
  public:
    static Result<std::unique_ptr<DefaultFormat>> create(const config::Properties& properties) {
        auto format = std::make_unique<DefaultFormat>();
        RETURN_IF_ERROR(format->configure(properties));
        return format;
    }

    Result<> write(const client::ConsumedBatch& batch, const Record& record,
                   std::string& out) override {
        int left = columns_;
        auto end_column = [&] { out += --left > 0 ? key_separator_ : line_separator_; };
        auto end = std::back_inserter(out);
        if (print_timestamp_) {
            if (record.timestamp == no_timestamp) {
                out += "NO_TIMESTAMP";
            } else {
                fmt::format_to(end, "{}:{}", name_of(batch.timestamp_type), record.timestamp);
            }
            end_column();
        }
        if (print_partition_) {
            fmt::format_to(end, "Partition:{}", batch.partition.partition);
            end_column();
        }
        if (print_offset_) {
            fmt::format_to(end, "Offset:{}", record.offset);
            end_column();
        }
        if (print_delivery_) {
            out += "Delivery:";
            out += delivery_count ? std::to_string(*delivery_count) : "NOT_PRESENT";
            end_column();
        }
        // Kafka's console consumers do not hand it to their formatter.
        if (print_epoch_) {
            out += "Epoch:NOT_PRESENT";
            end_column();
        }
        if (print_headers_) {
            RETURN_IF_ERROR(write_headers(record, out));
            end_column();
        }
        if (print_key_) {
            RETURN_IF_ERROR(write_field(record.key, key_, out));
            end_column();
        }
        if (print_value_) {
            RETURN_IF_ERROR(write_field(record.value, value_, out));
            end_column();
        }
        return {};
    }

  private:
    Result<> configure(const config::Properties& properties);
    Result<> write_headers(const Record& record, std::string& out) const;
    Result<> write_field(const std::optional<Bytes>& field, Deserializer deserializer,
                         std::string& out) const {
        if (!field) {
            out += null_literal_;
            return {};
        }
        if (deserializer != nullptr) return deserializer(*field, out);
        out += as_string(*field);
        return {};
    }

    bool print_timestamp_ = false;
    bool print_partition_ = false;
    bool print_offset_ = false;
    bool print_delivery_ = false;
    bool print_epoch_ = false;
    bool print_headers_ = false;
    bool print_key_ = false;
    bool print_value_ = true;
    int columns_ = 0;
    std::string key_separator_ = "\t";
    std::string line_separator_ = "\n";
    std::string headers_separator_ = ",";
    std::string null_literal_ = "null";
    Deserializer key_ = nullptr;
    Deserializer value_ = nullptr;
    Deserializer headers_ = nullptr;
};

Result<> DefaultFormat::configure(const config::Properties& properties) {
    struct Column {
        const char* property;
        bool* shown;
    };
    const Column columns[] = {
        {"print.timestamp", &print_timestamp_},
        {"print.partition", &print_partition_},
        {"print.offset", &print_offset_},
        {"print.delivery", &print_delivery_},
        {"print.epoch", &print_epoch_},
        {"print.headers", &print_headers_},
        {"print.key", &print_key_},
        {"print.value", &print_value_},
    };
    for (const Column& column : columns) {
        if (const auto* found = properties.find(column.property)) {
            *column.shown = is_true(found->value);
        }
        columns_ += *column.shown ? 1 : 0;
    }
    auto set_text = [&](const char* key, std::string& into) {
        if (const auto* found = properties.find(key)) into = found->value;
    };
    set_text("key.separator", key_separator_);
    set_text("line.separator", line_separator_);
    set_text("headers.separator", headers_separator_);
    set_text("null.literal", null_literal_);
    auto set_deserializer = [&](const char* key, Deserializer& into) -> Result<> {
        std::string_view name = properties.get(key);
        if (name.empty()) return {};
        ASSIGN_OR_RETURN(into, find_deserializer(name));
        return {};
    };
    RETURN_IF_ERROR(set_deserializer("key.deserializer", key_));
    RETURN_IF_ERROR(set_deserializer("value.deserializer", value_));
    return set_deserializer("headers.deserializer", headers_);
}

Result<> DefaultFormat::write_headers(const Record& record, std::string& out) const {
    if (record.headers.empty()) {
        out += "NO_HEADERS";
        return {};
    }
    bool first = true;
    for (const RecordHeader& header : record.headers) {
        if (!first) out += headers_separator_;
        first = false;
        out += header.key;
        out += ':';
        RETURN_IF_ERROR(write_field(header.value, headers_, out));
    }
    return {};
}

class LoggingFormat final : public MessageFormat {
  public:
    explicit LoggingFormat(std::unique_ptr<DefaultFormat> shown) : shown_(std::move(shown)) {}

    Result<> write(const client::ConsumedBatch& batch, const Record& record,
                   std::string& out) override {
        shown_->delivery_count = delivery_count;
        RETURN_IF_ERROR(shown_->write(batch, record, out));
        LOG_INFO("{}:{}, key:{}, value:{}", name_of(batch.timestamp_type), record.timestamp,
                 record.key ? as_string(*record.key) : "null",
                 record.value ? as_string(*record.value) : "null");
        return {};
    }

  private:
    std::unique_ptr<DefaultFormat> shown_;
};

class NoFormat final : public MessageFormat {
  public:
    Result<> write(const client::ConsumedBatch&, const Record&, std::string&) override {
        return {};
    }
};

// Bytes that are text under `name`, others in base64 under `name`_base64.
void put(json::object& into, std::string name, const std::optional<Bytes>& bytes) {
    if (!bytes) {
        into[name] = nullptr;
    } else if (is_utf8(*bytes)) {
        into[name] = as_string(*bytes);
    } else {
        into[name + "_base64"] = base64(*bytes);
    }
}

class JsonFormat final : public MessageFormat {
  public:
    Result<> write(const client::ConsumedBatch& batch, const Record& record,
                   std::string& out) override {
        json::object document{{"topic", batch.partition.topic},
                              {"partition", batch.partition.partition},
                              {"offset", record.offset},
                              {"timestamp", record.timestamp},
                              {"timestamp_type", name_of(batch.timestamp_type)}};
        if (delivery_count) document["delivery_count"] = *delivery_count;
        put(document, "key", record.key);
        put(document, "value", record.value);
        json::array headers;
        for (const RecordHeader& header : record.headers) {
            json::object one{{"key", header.key}};
            put(one, "value", header.value);
            headers.push_back(std::move(one));
        }
        document["headers"] = std::move(headers);
        out += json::serialize(document);
        out += '\n';
        return {};
    }
};

}  // namespace

std::unique_ptr<MessageFormat> make_json_format() { return std::make_unique<JsonFormat>(); }

Result<std::unique_ptr<MessageFormat>> make_message_format(std::string_view class_name,
                                                           const config::Properties& properties) {
    std::string_view name = class_name;
    if (std::size_t dot = name.rfind('.'); dot != std::string_view::npos) {
        name.remove_prefix(dot + 1);
    }
    if (name == "NoOpMessageFormatter") return std::make_unique<NoFormat>();
    if (name == "DefaultMessageFormatter" || name == "LoggingMessageFormatter") {
        ASSIGN_OR_RETURN(auto format, DefaultFormat::create(properties));
        if (name == "DefaultMessageFormatter") return format;
        return std::make_unique<LoggingFormat>(std::move(format));
    }
    if (auto format = make_coordinator_format(name)) return format;
    return fail(ErrorCode::invalid_config,
                fmt::format("The formatter {} is not built in: there are DefaultMessageFormatter, "
                            "LoggingMessageFormatter, NoOpMessageFormatter, "
                            "OffsetsMessageFormatter, GroupMetadataMessageFormatter and "
                            "TransactionLogMessageFormatter.",
                            class_name));
}

}  // namespace millrace::cli
