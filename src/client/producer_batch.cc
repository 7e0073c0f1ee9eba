#include "client/producer_batch.h"

#include "records/batch.h"
#include "records/record.h"

namespace millrace::client {

void ProducerBatch::seal(Compressor& compressor) {
    CHECK(!is_sealed() && !builder.empty());
    sealed_count = builder.count();
    sealed = builder.build(compressor);
    full = true;
}

void ProducerBatch::number(const ProducerIdentity& as, std::int32_t sequence) {
    identity = as;
    base_sequence = sequence;
    if (is_sealed()) {
        set_producer({sealed.mutable_data(), sealed.size()}, as.id, as.epoch, sequence);
    } else {
        builder.set_producer(as.id, as.epoch, sequence);
    }
}

std::vector<std::unique_ptr<ProducerBatch>> split(const ProducerBatch& batch,
                                                  const BatchOptions& options, std::size_t target,
                                                  Compressor& compressor) {
    CHECK(batch.is_sealed() && batch.sealed_count > 1);
    std::vector<std::unique_ptr<ProducerBatch>> parts;
    RecordReader reader(BatchView::trusted(batch.sealed));
    for (std::int32_t index = 0; index < batch.sealed_count; ++index) {
        Result<const Record*> read = reader.next();
        CHECK(read && *read != nullptr);  // the bytes are our own
        const Record* record = *read;
        bool fits = !parts.empty() && parts.back()->builder.size() + record->size <= target &&
                    parts.back()->count() < batch.sealed_count - 1;
        if (!fits) {
            parts.push_back(std::make_unique<ProducerBatch>(
                options, batch.outcome->add_part(index),
                batch.order + static_cast<std::uint64_t>(index), batch.taken));
            ProducerBatch& part = *parts.back();
            part.again = true;
            part.turn = batch.turn;
            if (batch.is_sequenced())
                part.number(batch.identity, advance_sequence(batch.base_sequence, index));
        }
        // Offsets start at 0 in each.
        parts.back()->builder.append(Record{.timestamp = record->timestamp,
                                            .key = record->key,
                                            .value = record->value,
                                            .headers = record->headers});
        parts.back()->payload += record->size;
    }
    for (auto& part : parts) {
        part->seal(compressor);
        part->reserved = part->sealed.size();
    }
    return parts;
}

}  // namespace millrace::client
