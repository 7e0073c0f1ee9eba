// What a broker cannot cost less than: one thread that receives Produce and Fetch requests, checks
// the CRC of each batch, stamps its offset, writes it to a file and sends it from there. It knows
// one topic, versions 8 of Produce and 11 of Fetch, and trusts whoever speaks: bench/hot_path.py
// measures Millrace and Apache Kafka against it.

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
#include "limit/partition.h"
#include "stream.h"

namespace millrace::bench {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

// Fields of a request, in order.
class Fields {
  public:
    explicit Fields(MutableBytes bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}
    template <typename T>
    T number() {
        T value = load_be<T>(take(sizeof(T)));
        return value;
    }
    std::string_view string() {
        auto size = number<std::int16_t>();
        if (size < 0) return {};
        return {reinterpret_cast<const char*>(take(size)), static_cast<std::size_t>(size)};
    }
    MutableBytes bytes() {
        auto size = static_cast<std::size_t>(number<std::int32_t>());
        return {take(size), size};
    }
    std::uint8_t* take(std::size_t size) {
        if (size > static_cast<std::size_t>(end_ - at_))
            throw std::runtime_error("a short request");
        return std::exchange(at_, at_ + size);
    }

  private:
    std::uint8_t* at_;
    std::uint8_t* end_;
};

class Writer {
  public:
    explicit Writer(std::vector<std::uint8_t>& out) : out_(out), begin_(out.size()) {
        number<std::int32_t>(0);
    }
    template <typename T>
    void number(T value) {
        out_.resize(out_.size() + sizeof(T));
        store_be<T>(out_.data() + out_.size() - sizeof(T), value);
    }
    void string(std::string_view text) {
        number<std::int16_t>(static_cast<std::int16_t>(text.size()));
        out_.insert(out_.end(), text.begin(), text.end());
    }
    // `behind`: bytes of the message that come from elsewhere.
    void end(std::size_t behind = 0) {
        store_be<std::int32_t>(out_.data() + begin_,
                               static_cast<std::int32_t>(out_.size() - begin_ - 4 + behind));
    }

  private:
    std::vector<std::uint8_t>& out_;
    std::size_t begin_;
};

class Server {
  public:
    Server(std::uint16_t port, std::string topic, int partitions, const std::string& folder,
           std::optional<Tls> tls);
    [[noreturn]] void run();

  private:
    void accept();
    void serve(Connection& connection);
    void produce(Connection& connection, std::int32_t correlation, Fields fields);
    void fetch(Connection& connection, std::int32_t correlation, Fields fields);
    void answer(Connection& connection);
    void take_turn(Connection& connection);
    void end_turn();
    void watch(Connection& connection, int operation) const;

    std::string topic_;
    std::optional<Tls> tls_;
    int listener_ = -1;
    int epoll_ = -1;
    std::vector<std::unique_ptr<Partition>> partitions_;
    std::map<int, std::unique_ptr<Connection>> connections_;
    // Of this turn.
    std::vector<int> grown_;
    std::vector<Connection*> served_;
    std::vector<Connection*> gone_;
    // For the next one.
    std::vector<Connection*> unread_;
};

Server::Server(std::uint16_t port, std::string topic, int partitions, const std::string& folder,
               std::optional<Tls> tls)
    : topic_(std::move(topic)), tls_(std::move(tls)) {
    for (int i = 0; i < partitions; ++i) {
        partitions_.push_back(std::make_unique<Partition>(folder, i));
    }
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 1024) != 0) {
        fail("listen");
    }
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0) fail("epoll_ctl");
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
        auto connection =
            std::make_unique<Connection>(tls_ ? Stream(socket, *tls_, true) : Stream(socket));
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
        auto key = fields.number<std::int16_t>();
        fields.number<std::int16_t>();
        auto correlation = fields.number<std::int32_t>();
        fields.string();
        if (key == 0) {
            produce(connection, correlation, fields);
        } else if (key == 1) {
            fetch(connection, correlation, fields);
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
    std::int64_t base = partitions_.at(index)->append(fields.bytes());
    grown_.push_back(index);
    Writer answer(connection.out);
    answer.number(correlation);
    answer.number<std::int32_t>(1);
    answer.string(topic_);
    answer.number<std::int32_t>(1);
    answer.number(index);
    answer.number<std::int16_t>(0);
    answer.number(base);
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
    answer.string(topic_);
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
    serve(connection);
}

// One write a partition, then the answers that waited for it.
void Server::end_turn() {
    for (int index : grown_) {
        Partition& partition = *partitions_[index];
        partition.write();
        for (Connection* waiting : std::exchange(partition.waiting, {})) {
            if (!waiting->gone) answer(*waiting);
            served_.push_back(waiting);
        }
    }
    grown_.clear();
    for (Connection* connection : std::exchange(served_, {})) {
        if (connection->gone) continue;
        connection->flush();
        connection->compact();
        if (connection->may_have_more()) unread_.push_back(connection);
        if (connection->busy() == connection->watched_for_room) continue;
        connection->watched_for_room = connection->busy();
        watch(*connection, EPOLL_CTL_MOD);
    }
    for (Connection* connection : std::exchange(gone_, {})) {
        for (auto& partition : partitions_) std::erase(partition->waiting, connection);
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
    std::uint16_t port = 0;
    std::string topic;
    std::string folder;
    std::string certificate;
    std::string key;
    int partitions = 1;
    app.add_option("--port", port)->required();
    app.add_option("--topic", topic)->required();
    app.add_option("--partitions", partitions);
    app.add_option("--folder", folder)->required();
    app.add_option("--tls-certificate", certificate, "PEM; the key in --tls-key");
    app.add_option("--tls-key", key);
    CLI11_PARSE(app, argc, argv);
    std::signal(SIGPIPE, SIG_IGN);  // sendfile has no flag for it
    try {
        std::filesystem::create_directories(folder);
        std::optional<Tls> tls;
        if (!certificate.empty()) tls = Tls::server(certificate, key);
        Server(port, topic, partitions, folder, std::move(tls)).run();
    } catch (const std::exception& error) {
        fmt::print(stderr, "limit: {}\n", error.what());
        return 1;
    }
}
