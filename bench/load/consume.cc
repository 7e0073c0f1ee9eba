#include <memory>
#include <vector>

#include "load/fetching.h"
#include "load/loads.h"
#include "load/poll.h"

namespace millrace::bench {

void consume(const Target& target, const ConsumeLoad& load, Measure& measure) {
    struct Reader : FetchingConnection {
        using FetchingConnection::FetchingConnection;
        std::int64_t asked_at = 0;
        void next(std::int64_t offset) {
            asked_at = now_ns();
            ask(offset);
        }
    };
    Poll<Reader> poll;
    std::vector<std::unique_ptr<Reader>> readers;
    for (int i = 0; i < load.readers * target.partitions; ++i) {
        readers.push_back(std::make_unique<Reader>(target, i % target.partitions, load.batch,
                                                   load.fetch_bytes, 500));
        poll.add(*readers.back());
    }
    std::size_t batch = batch_size(load.batch);
    std::uint64_t warmed = 0;
    std::uint64_t read = 0;
    if (load.warm_bytes == 0) measure.start();
    for (auto& reader : readers) reader->next(0);
    while (read < load.bytes) {
        poll.wait(-1, [&](Reader& reader) {
            reader.receive([&](Bytes records) {
                if (measure.started()) {
                    measure.add(records.size(), now_ns() - reader.asked_at);
                    read += records.size();
                } else if ((warmed += records.size()) >= load.warm_bytes) {
                    measure.start();
                }
                auto batches = static_cast<std::int64_t>(records.size() / batch);
                std::int64_t next = reader.offset() + batches * load.batch.records;
                reader.next(next >= load.end_offset ? 0 : next);
            });
        });
    }
    measure.stop();
}

}  // namespace millrace::bench
