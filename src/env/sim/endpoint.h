#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/network.h"
#include "env/sim/fabric.h"

namespace millrace::env::sim {

// One end of a connection, as the system of its node keeps it: what was sent and is not yet
// confirmed, and what has arrived and is not yet read. It lives on after its process has closed it
// for as long as it has something to deliver.
class Endpoint {
  public:
    Endpoint(Channel& channel, Node& node, Address local);

    Node& node() const { return node_; }
    const Address& local() const { return local_; }
    Endpoint& other() const;
    // Whether the system of the node knows the connection; if not, it answers with a reset.
    bool known() const { return known_; }
    bool sending() const { return !in_flight_.empty(); }

    bool begin(ReadOperation& operation);
    bool begin(WriteOperation& operation);
    void give_up(ReadOperation& operation);
    void give_up(WriteOperation& operation);
    bool encrypt_writes(const TlsKeys& keys);
    void shutdown_write();
    // By its process, or because that has ended: what was sent still arrives.
    void close();
    // At once, and the other end is told.
    void abort();
    // With its machine: the other end is not told.
    void vanish();
    void break_with(std::string reason);
    // Tells the other end that it may be accepted.
    void confirm_opening() { transmit({.opening = true}); }

  private:
    struct Segment {
        std::vector<std::uint8_t> bytes;
        bool opening = false;
        bool last = false;  // end of stream
        bool delivered = false;
        Time arrives;
    };

    // Sending.
    void pump();
    std::size_t room() const;
    // Takes up to `size` bytes of the waiting write. Nothing: the write has ended, or waits for a
    // file.
    std::optional<std::vector<std::uint8_t>> take(std::size_t size);
    bool take_range(const FileRange& range, std::size_t size, std::vector<std::uint8_t>& bytes);
    void advance(std::size_t count);
    void warm_up();
    void transmit(Segment segment);
    void expect_head(Time when);
    void head_arrives();
    void head_lost();
    void send_reset();
    void probe_later();
    void stop_sending();
    void finish_write(Result<> result);

    // Receiving.
    void receive(const Segment& segment);
    bool try_read(ReadOperation& operation);
    void tell_room();
    void wake_reader();

    void end_waits();
    std::unexpected<Error> failure(std::string_view doing, std::string_view reason) const;
    std::unexpected<Error> closed() const;
    Fabric& fabric() const;
    Time now() const;
    // Runs `event` at that time; the connection stays in memory until then.
    void at(Time when, std::function<void()> event);

    Channel& channel_;
    Node& node_;
    Address local_;
    bool open_ = true;    // for its process
    bool known_ = true;   // to its system
    std::string broken_;  // why

    std::unique_ptr<RecordCipher> cipher_;  // of what is written, where its system has TLS
    WriteOperation* write_ = nullptr;
    std::uint64_t writes_ = 0;
    bool warming_ = false;  // until a part of a file is in memory
    bool warm_ = false;
    bool ended_ = false;  // an end of stream was sent
    std::deque<Segment> in_flight_;
    std::uint64_t attempt_ = 0;  // which of the events planned for the head is the current one
    std::optional<Time> lost_since_;
    Duration resend_after_;
    Time last_arrival_;
    bool probing_ = false;
    std::uint64_t sent_ = 0;
    std::uint64_t read_by_other_ = 0;  // as far as known here

    ReadOperation* read_ = nullptr;
    std::deque<std::uint8_t> received_;
    bool end_received_ = false;
    std::uint64_t read_count_ = 0;
    std::uint64_t told_ = 0;  // of read_count_
};

}  // namespace millrace::env::sim
