#pragma once

#include <optional>
#include <string_view>

#include "base/result.h"
#include "records/record.h"
#include "server/dump_log_output.h"

namespace millrace::server {

// What records are taken for.
enum class DecoderKind : std::uint8_t {
    plain,  // keys and values one by one, see PlainDecoder
    offsets,
    transaction_log,
    cluster_metadata,
    remote_log_metadata,
    share_group_state,
};

// Kafka's decoders of org.apache.kafka.tools.api.
enum class PlainDecoder : std::uint8_t { string, integer, long_integer, bytes };
// By the name of its class; another class would be Java's, which is refused with invalid_request.
Result<PlainDecoder> plain_decoder(std::string_view class_name);

struct RecordDecoder {
    DecoderKind kind = DecoderKind::plain;
    PlainDecoder key = PlainDecoder::string;
    PlainDecoder value = PlainDecoder::string;

    // A record that cannot be decoded is told in its place, with Form::problem, where Kafka's
    // tool goes on; invalid_record where it gives up.
    Result<DecodedRecord> decode(const Record& record) const;
};

// A control record, known or not. invalid_record: no key, or a body that is none of its type.
Result<ControlLine> decode_control(const Record& record);

// A record of __remote_log_metadata as Kafka's toString has it (dump_log_remote.cc).
Result<std::string> remote_log_metadata_text(Bytes value);

}  // namespace millrace::server
