// What a broker cannot cost less than: one thread that receives Produce and Fetch requests, checks
// the CRC of each batch, stamps its offset, writes it to a file and sends it from there. It knows
// one topic, versions 8 of Produce and 11 of Fetch, and trusts whoever speaks: bench/hot_path.py
// measures Millrace and Apache Kafka against it. With followers it is the leader of a cluster.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fmt/core.h>
#include <map>
#include <memory>
#include <netinet/in.h>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "base/bytes.h"
#include "limit/connection.h"
#include "limit/fields.h"
#include "limit/followers.h"
#include "limit/partition.h"
#include "stream.h"

namespace millrace::bench {
namespace {

// Kafka's default of socket.send.buffer.bytes: what waits in larger ones costs thrice as much.
constexpr int send_buffer = 102400;

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

struct Terms {
    std::uint16_t port = 0;
    std::string topic;
    int partitions = 1;
    std::string folder;
    std::optional<Tls> tls;
    std::size_t followers = 0;  // that have to have what is answered
    std::uint16_t leader = 0;   // the port of the one to follow
    bool sync = false;          // what is answered is on stable storage
};

class Server {
  public:
    explicit Server(Terms terms);
    [[noreturn]] void run();

  private:
    void accept();
    void serve(Connection& connection);
    void produce(Connection& connection, std::int32_t correlation, Fields fields);
    void fetch(Connection& connection, std::int32_t correlation, Fields fields);
    void answer(Connection& connection);
    void answer_produce(const Partition::Unanswered& request, int partition);
    void follow();
    void take_over(Connection& leader);
    void take_turn(Connection& connection);
    void end_turn();
    void write_grown();
    void commit();
    void end_gone();
    void watch(Connection& connection, int operation) const;

    Terms terms_;
    int listener_ = -1;
    int epoll_ = -1;
    std::vector<std::unique_ptr<Partition>> partitions_;
    Followers followers_{partitions_, terms_.followers};
    Connection* leader_ = nullptr;
    std::map<int, std::unique_ptr<Connection>> connections_;
    // Of this turn.
    std::vector<int> grown_;
    std::vector<Connection*> served_;
    std::vector<Connection*> gone_;
    // For the next one.
    std::vector<Connection*> unread_;
};

Server::Server(Terms terms) : terms_(std::move(terms)) {
    for (int i = 0; i < terms_.partitions; ++i) {
        partitions_.push_back(std::make_unique<Partition>(terms_.folder, i));
    }
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(terms_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 1024) != 0) {
        fail("listen");
    }
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0) fail("epoll_ctl");
    if (terms_.leader != 0) follow();
}

void Server::follow() {
    auto connection = std::make_unique<Connection>(Stream::connect(terms_.leader, nullptr));
    leader_ = connection.get();
    ask_to_follow(leader_->out);
    leader_->flush();
    watch(*leader_, EPOLL_CTL_ADD);
    connections_[leader_->stream.descriptor()] = std::move(connection);
}

void Server::watch(Connection& connection, int operation) const {
    epoll_event event{.events = EPOLLIN, .data = {.ptr = &connection}};
    if (connection.watched_for_room) event.events |= EPOLLOUT;
    ::epoll_ctl(epoll_, operation, connection.stream.descriptor(), &event);
}

void Server::accept() {
    while (true) {
        int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket < 0) return;
        if (::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof send_buffer) != 0) {
            fail("SO_SNDBUF");
        }
        auto connection = std::make_unique<Connection>(
            terms_.tls ? Stream(socket, *terms_.tls, true) : Stream(socket));
        watch(*connection, EPOLL_CTL_ADD);
        connections_[socket] = std::move(connection);
    }
}

void Server::serve(Connection& connection) {
    // As long as an answer with records is on its way, or is waited for, nothing overtakes it.
    while (!connection.waits && connection.range_size == 0) {
        MutableBytes request = connection.next_request();
        if (request.empty()) return;
        Fields fields(request);
        if (connection.follows) {
            followers_.take_acknowledgement(connection, fields);
            continue;
        }
        auto key = fields.number<std::int16_t>();
        fields.number<std::int16_t>();
        auto correlation = fields.number<std::int32_t>();
        fields.string();
        if (key == 0) {
            produce(connection, correlation, fields);
        } else if (key == 1) {
            fetch(connection, correlation, fields);
        } else if (key == follow_key) {
            followers_.add(connection);
        } else {
            throw std::runtime_error("neither Produce nor Fetch");
        }
    }
}

void Server::produce(Connection& connection, std::int32_t correlation, Fields fields) {
    fields.string();
    fields.number<std::int16_t>();
    fields.number<std::int32_t>();
    fields.number<std::int32_t>();
    fields.string();
    fields.number<std::int32_t>();
    auto index = fields.number<std::int32_t>();
    Partition& partition = *partitions_.at(index);
    std::int64_t base = partition.append(fields.bytes());
    grown_.push_back(index);
    Partition::Unanswered request{&connection, correlation, base, partition.size_to_be()};
    if (!followers_.wanted() && !terms_.sync) return answer_produce(request, index);
    partition.unanswered.push_back(request);
}

void Server::answer_produce(const Partition::Unanswered& request, int partition) {
    Writer answer(request.connection->out);
    answer.number(request.correlation);
    answer.number<std::int32_t>(1);
    answer.string(terms_.topic);
    answer.number<std::int32_t>(1);
    answer.number<std::int32_t>(partition);
    answer.number<std::int16_t>(0);
    answer.number(request.base);
    answer.number<std::int64_t>(-1);
    answer.number<std::int64_t>(0);
    answer.number<std::int32_t>(0);
    answer.number<std::int16_t>(-1);
    answer.number<std::int32_t>(0);
    answer.end();
}

void Server::fetch(Connection& connection, std::int32_t correlation, Fields fields) {
    fields.take(4 + 4 + 4 + 4 + 1 + 4 + 4 + 4);
    fields.string();
    fields.number<std::int32_t>();
    auto index = fields.number<std::int32_t>();
    fields.number<std::int32_t>();
    auto offset = fields.number<std::int64_t>();
    fields.number<std::int64_t>();
    auto most = static_cast<std::size_t>(fields.number<std::int32_t>());
    connection.fetch = {correlation, index, offset, most};
    if (partitions_.at(index)->position(offset) < partitions_[index]->size()) {
        answer(connection);
    } else {
        connection.waits = true;
        partitions_[index]->waiting.push_back(&connection);
    }
}

void Server::answer(Connection& connection) {
    const Connection::Fetch& fetch = connection.fetch;
    Partition& partition = *partitions_[fetch.partition];
    std::uint64_t at = partition.position(fetch.offset);
    std::size_t size = std::min<std::uint64_t>(fetch.most, partition.size() - at);
    Writer answer(connection.out);
    answer.number(fetch.correlation);
    answer.number<std::int32_t>(0);
    answer.number<std::int16_t>(0);
    answer.number<std::int32_t>(0);
    answer.number<std::int32_t>(1);
    answer.string(terms_.topic);
    answer.number<std::int32_t>(1);
    answer.number<std::int32_t>(fetch.partition);
    answer.number<std::int16_t>(0);
    answer.number(partition.end_offset());
    answer.number(partition.end_offset());
    answer.number<std::int64_t>(0);
    answer.number<std::int32_t>(-1);
    answer.number<std::int32_t>(-1);
    answer.number(static_cast<std::int32_t>(size));
    answer.end(size);
    connection.range_file = partition.file();
    connection.range_at = at;
    connection.range_size = size;
    connection.waits = false;
}

void Server::take_turn(Connection& connection) {
    served_.push_back(&connection);
    if (!connection.receive()) {
        connection.gone = true;
        gone_.push_back(&connection);
        return;
    }
    if (&connection == leader_) {
        take_over(connection);
    } else {
        serve(connection);
    }
}

void Server::take_over(Connection& leader) {
    for (MutableBytes message; !(message = leader.next_request()).empty();) {
        Fields fields(message);
        auto index = fields.number<std::int32_t>();
        partitions_.at(index)->append(fields.rest());
        grown_.push_back(index);
    }
}

// One write a partition.
void Server::write_grown() {
    std::ranges::sort(grown_);
    grown_.erase(std::ranges::unique(grown_).begin(), grown_.end());
    for (int index : grown_) {
        Partition& partition = *partitions_[index];
        partition.write();
        for (Connection* waiting : std::exchange(partition.waiting, {})) {
            if (!waiting->gone) answer(*waiting);
            served_.push_back(waiting);
        }
    }
}

// Answers what is written, on stable storage, and with the followers, as far as that is wanted.
void Server::commit() {
    for (std::size_t i = 0; i < partitions_.size(); ++i) {
        Partition& partition = *partitions_[i];
        std::uint64_t end = followers_.wanted() ? followers_.taken_over(i) : partition.size();
        while (!partition.unanswered.empty() && partition.unanswered.front().end <= end) {
            Partition::Unanswered& request = partition.unanswered.front();
            if (request.connection != nullptr) {
                answer_produce(request, static_cast<int>(i));
                served_.push_back(request.connection);
            }
            partition.unanswered.pop_front();
        }
    }
}

void Server::end_turn() {
    write_grown();
    followers_.send();
    if (terms_.sync) {
        for (int index : grown_) partitions_[index]->sync();
    }
    if (leader_ != nullptr && !grown_.empty()) {
        acknowledge(leader_->out, partitions_, grown_);
        leader_->flush();
    }
    grown_.clear();
    commit();
    for (Connection* connection : std::exchange(served_, {})) {
        if (connection->gone) continue;
        connection->flush();
        connection->compact();
        if (connection->may_have_more()) unread_.push_back(connection);
        if (connection->busy() == connection->watched_for_room) continue;
        connection->watched_for_room = connection->busy();
        watch(*connection, EPOLL_CTL_MOD);
    }
    end_gone();
}

void Server::end_gone() {
    for (Connection* connection : std::exchange(gone_, {})) {
        if (connection == leader_) throw std::runtime_error("the leader has gone");
        followers_.remove(*connection);
        for (auto& partition : partitions_) {
            std::erase(partition->waiting, connection);
            for (auto& request : partition->unanswered) {
                if (request.connection == connection) request.connection = nullptr;
            }
        }
        std::erase(unread_, connection);
        connections_.erase(connection->stream.descriptor());
    }
}

void Server::run() {
    std::vector<epoll_event> events(256);
    while (true) {
        int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()),
                                 unread_.empty() ? -1 : 0);
        std::vector<Connection*> unread = std::exchange(unread_, {});
        for (int i = 0; i < count; ++i) {
            auto* connection = static_cast<Connection*>(events[i].data.ptr);
            if (connection == nullptr) {
                accept();
                continue;
            }
            std::erase(unread, connection);
            take_turn(*connection);
        }
        for (Connection* connection : unread) take_turn(*connection);
        end_turn();
    }
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    using namespace millrace::bench;
    CLI::App app("receives, checksums, writes and sends");
    Terms terms;
    std::string certificate;
    std::string key;
    app.add_option("--port", terms.port)->required();
    app.add_option("--topic", terms.topic)->required();
    app.add_option("--partitions", terms.partitions);
    app.add_option("--folder", terms.folder)->required();
    app.add_option("--followers", terms.followers, "this many have to have what is answered");
    app.add_option("--leader", terms.leader, "the port of another one to follow");
    app.add_flag("--sync", terms.sync, "fdatasync before an answer");
    app.add_option("--tls-certificate", certificate, "PEM; the key in --tls-key");
    app.add_option("--tls-key", key);
    CLI11_PARSE(app, argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // sendfile has no flag for it
    try {
        std::filesystem::create_directories(terms.folder);
        if (!certificate.empty()) terms.tls = Tls::server(certificate, key);
        Server(std::move(terms)).run();
    } catch (const std::exception& error) {
        fmt::print(stderr, "limit: {}\n", error.what());
        return 1;
    }
}
