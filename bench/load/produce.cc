#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <vector>

#include "load/loads.h"
#include "load/poll.h"
#include "load/produce_answers.h"
#include "load/requests.h"

namespace millrace::bench {
namespace {

class Connection {
  public:
    Connection(const Target& target, std::shared_ptr<const ProduceTemplate> request)
        : stream(Stream::connect(target.port, target.tls ? &*target.tls : nullptr)),
          request_(std::move(request)),
          answers_(target) {}

    Stream stream;
    bool watches_room = false;

    std::size_t in_flight() const { return since_.size(); }
    std::size_t request_bytes() const { return request_->batch_size; }
    // One more request; its latency counts from then.
    void enqueue(std::int64_t since) {
        since_.push_back(since);
        unsent_ += request_->bytes.size();
    }
    // False when the socket takes no more for now.
    bool send();
    // Calls answered(since) for each answer that has come.
    template <typename Answered>
    void receive(Answered answered) {
        for (std::size_t left = answers_.receive(stream); left > 0; --left) {
            answered(since_.front());
            since_.pop_front();
        }
    }

  private:
    std::shared_ptr<const ProduceTemplate> request_;
    std::deque<std::int64_t> since_;
    std::size_t unsent_ = 0;
    ProduceAnswers answers_;
};

bool Connection::send() {
    const std::vector<std::uint8_t>& bytes = request_->bytes;
    while (unsent_ > 0) {
        std::array<iovec, 64> pieces;
        std::size_t count = 0;
        std::size_t taken = 0;
        while (taken < unsent_ && count < pieces.size()) {
            std::size_t part = (unsent_ - taken) % bytes.size();
            if (part == 0) part = bytes.size();
            auto* from = const_cast<std::uint8_t*>(bytes.data()) + bytes.size() - part;
            pieces[count++] = {from, part};
            taken += part;
        }
        std::size_t sent = stream.write({pieces.data(), count});
        unsent_ -= sent;
        if (sent < taken) return false;
    }
    return true;
}

class Run {
  public:
    Run(const Target& target, const ProduceLoad& load, Measure& measure);
    void run();

  private:
    bool done() const { return measure_.count() >= load_.requests; }
    void fill(Connection& connection);
    std::int64_t next_due() const;
    void send_due();
    void handle(Connection& connection);
    void send(Connection& connection);

    const ProduceLoad& load_;
    Measure& measure_;
    Poll<Connection> poll_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::uint64_t warmed_ = 0;
    std::int64_t began_ = now_ns();
    std::uint64_t due_count_ = 0;
};

Run::Run(const Target& target, const ProduceLoad& load, Measure& measure)
    : load_(load), measure_(measure) {
    std::vector<std::shared_ptr<const ProduceTemplate>> requests;
    for (int i = 0; i < target.partitions; ++i) {
        requests.push_back(std::make_shared<ProduceTemplate>(target, i, load.acks, load.batch));
    }
    for (int i = 0; i < load.connections; ++i) {
        connections_.push_back(std::make_unique<Connection>(target, requests[i % requests.size()]));
        if (load.stamped) connections_.back()->stream.stamp_arrivals();
        poll_.add(*connections_.back());
    }
}

void Run::fill(Connection& connection) {
    if (load_.rate > 0) return;
    std::int64_t now = load_.stamped ? wall_ns() : now_ns();
    while (connection.in_flight() < static_cast<std::size_t>(load_.in_flight)) {
        connection.enqueue(now);
    }
}

std::int64_t Run::next_due() const {
    return began_ + static_cast<std::int64_t>(static_cast<double>(due_count_) * 1e9 / load_.rate);
}

// What the clock asks for, round robin.
void Run::send_due() {
    while (true) {
        std::int64_t due = next_due();
        if (due > now_ns()) return;
        Connection& connection = *connections_[due_count_ % connections_.size()];
        connection.enqueue(load_.stamped ? wall_ns() : due);
        send(connection);
        ++due_count_;
    }
}

void Run::send(Connection& connection) {
    bool all = connection.send();
    if (connection.watches_room == !all) return;
    connection.watches_room = !all;
    poll_.watch_room(connection, !all);
}

void Run::handle(Connection& connection) {
    connection.receive([&](std::int64_t since) {
        if (measure_.started()) {
            std::int64_t answered = load_.stamped ? connection.stream.arrived_ns() : now_ns();
            measure_.add(connection.request_bytes(), answered - since);
        } else if (++warmed_ >= load_.warm) {
            measure_.start();
        }
    });
    fill(connection);
    send(connection);
}

void Run::run() {
    if (load_.warm == 0) measure_.start();
    for (auto& connection : connections_) {
        fill(*connection);
        send(*connection);
    }
    while (!done()) {
        std::int64_t timeout = -1;
        if (load_.rate > 0) {
            send_due();
            // A schedule is watched without sleep where this core is the load's own.
            timeout = load_.patient ? std::max<std::int64_t>(0, next_due() - now_ns()) : 0;
        }
        poll_.wait(timeout, [this](Connection& connection) { handle(connection); });
    }
    measure_.stop();
}

}  // namespace

void produce(const Target& target, const ProduceLoad& load, Measure& measure) {
    Run(target, load, measure).run();
}

}  // namespace millrace::bench
