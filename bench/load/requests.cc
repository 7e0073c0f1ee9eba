#include "load/requests.h"

#include <stdexcept>

#include "base/crc32c.h"
#include "protocol/fetch.h"
#include "protocol/frame.h"
#include "protocol/produce.h"
#include "records/builder.h"

namespace millrace::bench {
namespace {

constexpr Timestamp timestamp = 1'700'000'000'000;
constexpr std::size_t crc_at = 17;
constexpr std::size_t after_crc = 21;
// The error code behind correlation id, count of topics, name, count of partitions and index; a
// Fetch has throttle time, error and session before the topics.
std::size_t produce_error_at(const Target& target) { return 4 + 4 + 2 + target.topic.size() + 8; }
std::size_t fetch_error_at(const Target& target) { return 10 + produce_error_at(target); }

// Letters that no compression would make small, other ones in each record.
std::string value_of(const BatchShape& shape, int record) {
    std::string value(static_cast<std::size_t>(shape.record_bytes), ' ');
    std::uint64_t state = 88172645463325252ULL + static_cast<std::uint64_t>(record);
    for (char& letter : value) {
        state ^= state << 13U;
        state ^= state >> 7U;
        state ^= state << 17U;
        letter = static_cast<char>('0' + state % 64);
    }
    return value;
}

Slice make_batch(const BatchShape& shape) {
    BatchBuilder builder;
    for (int i = 0; i < shape.records; ++i) {
        std::string value = value_of(shape, i);
        builder.append(timestamp, std::nullopt, as_bytes(value));
    }
    return builder.build();
}

template <typename Request>
std::vector<std::uint8_t> frame(std::int16_t version, const Request& request) {
    auto chain = encode_request(1, "load", version, request);
    if (!chain) throw std::runtime_error(chain.error().message);
    Slice whole = chain->in_memory();
    return {whole.data(), whole.data() + whole.size()};
}

std::size_t find(Bytes whole, Bytes part) {
    auto at = as_string(whole).find(as_string(part));
    if (at == std::string_view::npos) throw std::runtime_error("a part of a request is not there");
    return at;
}

}  // namespace

ProduceTemplate::ProduceTemplate(const Target& target, int partition, int acks,
                                 const BatchShape& shape) {
    Slice batch = make_batch(shape);
    ProduceRequest request;
    request.acks = static_cast<std::int16_t>(acks);
    request.timeout_ms = 30'000;
    request.topic_data = {
        {.name = target.topic, .partition_data = {{.index = partition, .records = batch}}}};
    bytes = frame(8, request);
    batch_size = batch.size();
    batch_at = bytes.size() - batch_size;
    first_value_at = batch_at + value_position(shape);
}

void ProduceTemplate::stamp(std::int64_t number) {
    store_be(bytes.data() + first_value_at, number);
    Bytes checked = Bytes(bytes).subspan(batch_at + after_crc, batch_size - after_crc);
    store_be(bytes.data() + batch_at + crc_at, crc32c(checked));
}

std::size_t batch_size(const BatchShape& shape) { return make_batch(shape).size(); }

std::size_t value_position(const BatchShape& shape) {
    std::string value = value_of(shape, 0);
    return find(make_batch(shape).bytes(), as_bytes(value));
}

std::int16_t produce_error(Bytes answer, const Target& target) {
    return load_be<std::int16_t>(answer.data() + produce_error_at(target));
}

FetchTemplate::FetchTemplate(const Target& target, int partition, std::int32_t most,
                             std::int32_t max_wait_ms) {
    constexpr std::int64_t mark = 0x123456789abcdef;
    FetchRequest request;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = 1;
    request.max_bytes = most;
    request.topics = {
        {.topic = target.topic,
         .partitions = {
             {.partition = partition, .fetch_offset = mark, .partition_max_bytes = most}}}};
    bytes = frame(11, request);
    std::uint8_t encoded[sizeof mark];
    store_be(encoded, mark);
    offset_at_ = find(bytes, encoded);
    set_offset(0);
}

void FetchTemplate::set_offset(std::int64_t offset) { store_be(bytes.data() + offset_at_, offset); }

std::size_t fetch_prefix_size(const Target& target) {
    // High watermark, last stable offset, log start, aborted transactions, preferred replica and
    // the size of the records.
    return fetch_error_at(target) + 2 + 8 + 8 + 8 + 4 + 4 + 4;
}

std::int16_t fetch_error(Bytes prefix, const Target& target) {
    return load_be<std::int16_t>(prefix.data() + fetch_error_at(target));
}

}  // namespace millrace::bench
