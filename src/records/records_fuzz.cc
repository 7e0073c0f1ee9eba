// Any bytes as a batch, as the payload of a sound batch, or as changes to a sound batch: read,
// inflated and validated, they give records or errors, and never more bytes than the limit.
#include <algorithm>

#include "base/check.h"
#include "records/builder.h"
#include "records/decompressor.h"
#include "records/record.h"
#include "records/validate.h"

namespace millrace {
namespace {

constexpr std::size_t limit = std::size_t{1} << 20U;

void read_records(RecordReader reader) {
    std::size_t bytes = 0;
    while (true) {
        auto record = reader.next();
        if (!record || *record == nullptr) break;
        for (const RecordHeader& header : (*record)->headers) bytes += header.key.size();
        bytes += (*record)->key.value_or(Bytes()).size();
        (void)control_type(**record);
    }
    CHECK(bytes <= 2 * limit);
}

void read_batches(const Slice& bytes) {
    BatchReader reader(bytes);
    while (true) {
        auto batch = reader.next();
        if (!batch || !*batch) break;
        (void)(*batch)->verify_crc();
        (void)transaction_marker(**batch);
        read_records(RecordReader(**batch, limit));
        Slice whole = Slice::copy((*batch)->bytes());
        auto inflated = inflate(whole, limit);
        if (!inflated) continue;
        CHECK((*batch)->codec_id() == 0 || inflated->size() <= limit);
        read_records(RecordReader(**batch, Bytes(*inflated)));
    }
}

void validate(Slice bytes, std::uint8_t choice) {
    ProduceRules rules;
    rules.partition = "fuzz-0";
    rules.inflated_limit = limit;
    rules.compacted = (choice & 1U) != 0;
    rules.timestamp_type = static_cast<TimestampType>(choice >> 1U & 1U);
    if ((choice & 4U) != 0) rules.codec = codec_of_id(choice >> 3U & 3U);
    static BatchValidator validator;
    auto result = validator.validate(std::move(bytes), rules, 1000);
    if (!result) return;
    // What was accepted is sound in every respect.
    auto batch = BatchView::parse(result->batch);
    CHECK(batch && batch->verify_crc());
    std::int64_t offset = 0;
    CHECK(for_each_record(*batch, [&](const Record& record) { CHECK(record.offset == offset++); }));
    CHECK(offset == result->count);
}

// The batch around `payload`, with CRC and last offset that fit.
Slice around(Bytes payload, std::uint8_t attributes, std::int32_t count) {
    BatchBuilder builder;
    builder.append(1000, std::nullopt, std::nullopt);
    Buffer batch;
    batch.append(builder.build().bytes().first(batch_header_size));
    batch.append(payload);
    std::uint8_t* at = batch.data();
    store_be(at + batch_layout::length,
             static_cast<std::int32_t>(batch.size() - batch_prefix_size));
    at[batch_layout::attributes + 1] = attributes;
    store_be(at + batch_layout::count, count);
    store_be(at + batch_layout::last_offset_delta, count - 1);
    refresh_crc(batch.mutable_bytes());
    return std::move(batch).freeze();
}

Slice changed_batch(Bytes changes, Codec codec) {
    BatchOptions options;
    options.codec = codec;
    BatchBuilder builder(options);
    RecordHeader header{"header", std::nullopt};
    for (int i = 0; i < 5; ++i)
        builder.append(1000, as_bytes("key"), as_bytes("value"), {&header, 1});
    Slice batch = builder.build();
    for (std::size_t i = 0; i + 1 < changes.size(); i += 2)
        batch.mutable_data()[batch_layout::attributes +
                             changes[i] % (batch.size() - batch_layout::attributes)] =
            changes[i + 1];
    refresh_crc({batch.mutable_data(), batch.size()});
    return batch;
}

}  // namespace
}  // namespace millrace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    if (size < 4) return 0;
    Bytes rest(data + 4, size - 4);
    Slice batch;
    switch (data[0] % 4) {
        case 0:
            batch = Slice::copy(rest);
            break;
        case 1:
            batch = around(rest, data[2], data[3]);
            break;
        case 2: {
            Buffer stream;
            Codec codec = static_cast<Codec>(data[2] % 5);
            Compressor().compress(codec, default_level(codec), rest, stream);
            batch = around(stream.bytes(), static_cast<std::uint8_t>(codec), data[3]);
            break;
        }
        default:
            batch = changed_batch(rest.first(std::min<std::size_t>(rest.size(), 8)),
                                  static_cast<Codec>(data[2] % 5));
    }
    read_batches(batch);
    validate(Slice::copy(batch), data[1]);
    return 0;
}
