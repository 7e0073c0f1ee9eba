#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "client/consumer_records.h"
#include "config/properties.h"
#include "records/record.h"

namespace millrace::cli {

// How a record is shown. One object for all records of a run.
class MessageFormat {
  public:
    virtual ~MessageFormat() = default;
    // Appends the record, its separator included. An Error leaves a part in `out`.
    virtual Result<> write(const client::ConsumedBatch& batch, const Record& record,
                           std::string& out) = 0;

    // How often the record has been given out, where a share group gives it; set before write().
    std::optional<std::int16_t> delivery_count;
};

// By the names of Kafka's classes, with or without their package: DefaultMessageFormatter,
// LoggingMessageFormatter, NoOpMessageFormatter; OffsetsMessageFormatter,
// GroupMetadataMessageFormatter and TransactionLogMessageFormatter for the internal topics.
// Properties as Kafka's formatters take them: print.key, key.separator, null.literal, …
Result<std::unique_ptr<MessageFormat>> make_message_format(std::string_view class_name,
                                                           const config::Properties& properties);

// A JSON document a record on a line of its own.
std::unique_ptr<MessageFormat> make_json_format();

// The records of coordinators in internal topics, as JSON documents. Nothing for another name.
std::unique_ptr<MessageFormat> make_coordinator_format(std::string_view class_name);

}  // namespace millrace::cli
