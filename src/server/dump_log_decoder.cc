#include "server/dump_log_decoder.h"

#include <fmt/format.h>
#include <iterator>
#include <limits>

#include "protocol/end_txn_marker.h"
#include "protocol/group_metadata.h"
#include "protocol/json/json_text.h"
#include "protocol/json/message_json.h"
#include "protocol/reader.h"

namespace millrace::server {
namespace {

using Form = Decoded::Form;

struct PlainClass {
    std::string_view name;
    PlainDecoder decoder;
};
constexpr std::string_view decoder_package = "org.apache.kafka.tools.api.";
constexpr PlainClass plain_classes[] = {
    {"StringDecoder", PlainDecoder::string},
    {"IntegerDecoder", PlainDecoder::integer},
    {"LongDecoder", PlainDecoder::long_integer},
    {"DefaultDecoder", PlainDecoder::bytes},
};

Result<Decoded> decode_plain(PlainDecoder decoder, Bytes bytes, std::int64_t offset) {
    auto number = [&]<typename T>(T) -> Result<Decoded> {
        if (bytes.size() < sizeof(T)) {
            return fail(ErrorCode::invalid_record,
                        fmt::format("The record at offset {} has {} bytes where the decoder takes "
                                    "{}; name the decoder of its type",
                                    offset, bytes.size(), sizeof(T)));
        }
        return Decoded{Form::number, std::to_string(load_be<T>(bytes.data()))};
    };
    Decoded made;
    switch (decoder) {
        case PlainDecoder::string:
            append_utf8(made.text, as_string(bytes));
            break;
        case PlainDecoder::integer:
            return number(std::int32_t{});
        case PlainDecoder::long_integer:
            return number(std::int64_t{});
        case PlainDecoder::bytes:
            for (std::uint8_t byte : bytes) {
                fmt::format_to(std::back_inserter(made.text), "{:02x}", byte);
            }
            break;
    }
    return made;
}

// --- records of the coordinators ---

Decoded problem_at(std::int64_t offset, std::string_view what) {
    return {Form::problem, fmt::format("Error at offset {}, skipping. {}", offset, what)};
}

// Subscriptions and assignments inside a classic group of consumers, where they are what they are
// called.
bool append_consumer_protocol(std::string& to, const FieldSchema& field, Bytes value) {
    std::string_view name = field.name;
    const MessageSchema* schema = nullptr;
    if (name == "subscription") schema = find_schema("ConsumerProtocolSubscription");
    if (name == "assignment") schema = find_schema("ConsumerProtocolAssignment");
    if (schema == nullptr) return false;
    Reader in(value);
    std::int16_t version = in.read_int16("version");
    std::string json;
    if (!in.ok() || !append_json(json, *schema, in, version)) return false;
    to += json;
    return true;
}

JsonOptions options_for(const RecordSchema& schema, Bytes body, std::int16_t version) {
    JsonOptions options;
    if (schema.family != RecordFamily::group || schema.type != GroupMetadataValue::record_type) {
        return options;
    }
    Reader in(body);
    Result<GroupMetadataValue> group = GroupMetadataValue::decode(in, version);
    if (group && group->protocol_type == "consumer") options.embedded = append_consumer_protocol;
    return options;
}

Result<std::string> coordinator_value(const RecordSchema& schema, Bytes value) {
    Reader in(value);
    std::int16_t version = in.read_int16("version");
    if (!in.ok()) return fail(in.error(schema.value->name));
    if (!schema.value->versions.contains(version)) {
        return fail(ErrorCode::unsupported_version,
                    fmt::format("A record of type {} has version {} of its value, which is not "
                                "known",
                                schema.type, version));
    }
    std::string text = fmt::format(R"({{"version":"{}","data":)", version);
    Bytes body = value.subspan(sizeof version);
    RETURN_IF_ERROR(
        append_json(text, *schema.value, in, version, options_for(schema, body, version)));
    return text + "}";
}

Result<DecodedRecord> decode_coordinator(RecordFamily family, const Record& record) {
    if (!record.key) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("The record at offset {} has no key; the decoder that was named "
                                "is for another topic",
                                record.offset));
    }
    DecodedRecord made;
    Reader in(*record.key);
    std::int16_t type = in.read_int16("type");
    if (!in.ok()) {
        made.key = problem_at(record.offset, in.error("record key").message);
        return made;
    }
    const RecordSchema* schema = find_record_schema(family, type);
    if (schema == nullptr) {
        made.key = Decoded{Form::problem, fmt::format("Unknown record type {} at offset {}, "
                                                      "skipping.",
                                                      type, record.offset)};
        return made;
    }
    std::string key = fmt::format(R"({{"type":"{}","data":)", type);
    if (Result<> read = append_json(key, *schema->key, in, 0); !read) {
        made.key = problem_at(record.offset, read.error().message);
        return made;
    }
    if (!record.value) {
        made.payload = Decoded{Form::deleted, "<DELETE>"};
    } else {
        Result<std::string> value = coordinator_value(*schema, *record.value);
        if (!value) {
            made.key = problem_at(record.offset, value.error().message);
            return made;
        }
        made.payload = Decoded{Form::json, *std::move(value)};
    }
    made.key = Decoded{Form::json, key + "}"};
    return made;
}

// --- records of the metadata log ---

Result<std::string> metadata_json(Bytes value) {
    Reader in(value);
    std::uint32_t frame = in.read_uvarint("frame version");
    std::uint32_t type = in.read_uvarint("type");
    std::uint32_t version = in.read_uvarint("version");
    if (!in.ok()) return fail(in.error("metadata record"));
    if (frame != 1 || version > std::numeric_limits<std::int16_t>::max()) {
        return fail(ErrorCode::unsupported_version,
                    fmt::format("It has frame version {} and version {}; only frames of version 1 "
                                "are known",
                                frame, version));
    }
    const RecordSchema* schema = find_record_schema(RecordFamily::metadata, type);
    if (schema == nullptr) {
        return fail(ErrorCode::unsupported_version,
                    fmt::format("It has type {}, which is not known", type));
    }
    std::string text = fmt::format(R"({{"type":"{}","version":{},"data":)", schema->name, version);
    RETURN_IF_ERROR(append_json(text, *schema->value, in, static_cast<std::int16_t>(version)));
    if (in.remaining() > 0) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("{} bytes follow the {}", in.remaining(), schema->value->name));
    }
    return text + "}";
}

DecodedRecord decode_metadata(const Record& record) {
    Result<std::string> json = record.value ? metadata_json(*record.value)
                                            : fail(ErrorCode::invalid_record, "It has no value");
    if (json) return {.payload = Decoded{Form::json, *std::move(json)}};
    return {.payload = Decoded{Form::problem, fmt::format("Error at {}, skipping. {}",
                                                          record.offset, json.error().message)}};
}

DecodedRecord decode_remote(const Record& record) {
    Result<std::string> text = record.value ? remote_log_metadata_text(*record.value)
                                            : fail(ErrorCode::invalid_record, "It has no value");
    if (text) return {.payload = Decoded{Form::text, *std::move(text)}};
    return {.payload = problem_at(record.offset, text.error().message)};
}

// --- control records ---

std::string_view control_message(ControlType type) {
    switch (type) {
        case ControlType::leader_change:
            return "LeaderChangeMessage";
        case ControlType::snapshot_header:
            return "SnapshotHeaderRecord";
        case ControlType::snapshot_footer:
            return "SnapshotFooterRecord";
        case ControlType::kraft_version:
            return "KRaftVersionRecord";
        case ControlType::kraft_voters:
            return "VotersRecord";
        default:
            return {};
    }
}

}  // namespace

Result<PlainDecoder> plain_decoder(std::string_view class_name) {
    if (class_name.starts_with(decoder_package)) {
        std::string_view name = class_name.substr(decoder_package.size());
        for (const PlainClass& row : plain_classes) {
            if (row.name == name) return row.decoder;
        }
    }
    return fail(ErrorCode::invalid_request,
                fmt::format("The decoder {} is a Java class, which cannot be loaded here; use "
                            "StringDecoder, IntegerDecoder, LongDecoder or DefaultDecoder of {}",
                            class_name, decoder_package.substr(0, decoder_package.size() - 1)));
}

Result<DecodedRecord> RecordDecoder::decode(const Record& record) const {
    switch (kind) {
        case DecoderKind::offsets:
            return decode_coordinator(RecordFamily::group, record);
        case DecoderKind::transaction_log:
            return decode_coordinator(RecordFamily::transaction, record);
        case DecoderKind::share_group_state:
            return decode_coordinator(RecordFamily::share, record);
        case DecoderKind::cluster_metadata:
            return decode_metadata(record);
        case DecoderKind::remote_log_metadata:
            return decode_remote(record);
        case DecoderKind::plain:
            break;
    }
    DecodedRecord made;
    if (record.key) {
        ASSIGN_OR_RETURN(made.key, decode_plain(key, *record.key, record.offset));
    }
    if (record.value) {
        ASSIGN_OR_RETURN(made.payload, decode_plain(value, *record.value, record.offset));
    }
    return made;
}

Result<ControlLine> decode_control(const Record& record) {
    ASSIGN_OR_RETURN(ControlType type, control_type(record));
    ControlLine made{.type = static_cast<std::int16_t>(type)};
    if (!is_known(type)) return made;
    if (!record.value) {
        return fail(ErrorCode::invalid_record,
                    fmt::format("The control record at offset {} has no value", record.offset));
    }
    Reader in(*record.value);
    std::int16_t version = in.read_int16("version");  // it is in front of every such value
    if (type == ControlType::abort || type == ControlType::commit) {
        if (!in.ok()) return fail(in.error("EndTxnMarker"));
        ASSIGN_OR_RETURN(EndTxnMarker marker, EndTxnMarker::decode(in, 0));
        made.coordinator_epoch = marker.coordinator_epoch;
        return made;
    }
    Reader whole(*record.value);
    RETURN_IF_ERROR(append_json(made.json, *find_schema(control_message(type)), whole, 0,
                                {.shown_as = version}));
    return made;
}

}  // namespace millrace::server
