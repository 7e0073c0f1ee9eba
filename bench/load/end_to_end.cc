#include <algorithm>
#include <ctime>
#include <memory>
#include <poll.h>
#include <stdexcept>
#include <vector>

#include "load/fetching.h"
#include "load/loads.h"
#include "load/poll.h"
#include "load/produce_answers.h"

namespace millrace::bench {
namespace {

constexpr std::int32_t fetch_bytes = 1 << 20;

// One connection for all partitions: answers are only checked.
class Sender {
  public:
    Sender(const Target& target, const EndToEndLoad& load)
        : stream(Stream::connect(target.port, target.tls ? &*target.tls : nullptr)),
          answers_(target) {
        for (int i = 0; i < target.partitions; ++i) {
            requests_.emplace_back(target, i, load.acks, BatchShape{1, load.record_bytes});
        }
    }

    Stream stream;

    void send(std::uint64_t number, std::int64_t due) {
        ProduceTemplate& request = requests_[number % requests_.size()];
        request.stamp(due);
        iovec piece{request.bytes.data(), request.bytes.size()};
        if (stream.write({&piece, 1}) != request.bytes.size()) {
            throw std::runtime_error("the node does not take requests at this rate");
        }
    }
    void receive() { answers_.receive(stream); }

  private:
    std::vector<ProduceTemplate> requests_;
    ProduceAnswers answers_;
};

// Until one of the two has something, or it is `then`.
void sleep_until(std::int64_t then, int one, int other) {
    std::int64_t left = std::max<std::int64_t>(0, then - now_ns());
    timespec timeout{left / 1'000'000'000, left % 1'000'000'000};
    pollfd watched[] = {{one, POLLIN, 0}, {other, POLLIN, 0}};
    ::ppoll(watched, 2, &timeout, nullptr);
}

}  // namespace

void end_to_end(const Target& target, const EndToEndLoad& load, Measure& measure) {
    BatchShape shape{1, load.record_bytes};
    std::size_t batch = batch_size(shape);
    std::size_t value_at = value_position(shape);
    Sender sender(target, load);
    Poll<Sender> answers;
    answers.add(sender);
    Poll<FetchingConnection> poll;
    std::vector<std::unique_ptr<FetchingConnection>> readers;
    for (int i = 0; i < target.partitions; ++i) {
        readers.push_back(std::make_unique<FetchingConnection>(target, i, shape, fetch_bytes, 500));
        poll.add(*readers.back());
        readers.back()->ask(0);
    }
    std::uint64_t received = 0;
    auto fetched = [&](FetchingConnection& reader, Bytes records) {
        std::int64_t now = now_ns();
        for (std::size_t at = 0; at < records.size(); at += batch) {
            std::int64_t due = load_be<std::int64_t>(records.data() + at + value_at);
            if (measure.started()) measure.add(batch, now - due);
            if (++received == load.warm) measure.start();
        }
        reader.ask(reader.offset() + static_cast<std::int64_t>(records.size() / batch));
    };
    if (load.warm == 0) measure.start();
    std::int64_t began = now_ns();
    std::uint64_t sent = 0;
    std::uint64_t all = load.warm + load.records;
    while (received < all) {
        auto due = began + static_cast<std::int64_t>(static_cast<double>(sent) * 1e9 / load.rate);
        if (sent < all && now_ns() >= due) {
            sender.send(sent++, due);
        } else if (load.patient) {
            sleep_until(due, answers.descriptor(), poll.descriptor());
        }
        if (load.every > 0 && measure.started() && measure.seconds() >= load.every) measure.lap();
        answers.wait(0, [](Sender& one) { one.receive(); });
        poll.wait(0, [&](FetchingConnection& reader) {
            reader.receive([&](Bytes records) { fetched(reader, records); });
        });
    }
    measure.stop();
}

}  // namespace millrace::bench
