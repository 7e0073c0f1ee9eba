// What one request costs a node: counts, which say the same on every machine.

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fmt/core.h>
#include <functional>
#include <future>
#include <gtest/gtest.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include "config/properties.h"
#include "counted.h"
#include "env/posix/world.h"
#include "protocol/create_topics.h"
#include "protocol/fetch.h"
#include "protocol/frame.h"
#include "protocol/produce.h"
#include "quorum/format.h"
#include "records/builder.h"
#include "server/process.h"

namespace millrace::cost {
namespace {

constexpr int times = 1000;
constexpr std::string_view topic = "t";

// A connection that knows nothing but bytes, so that it allocates nothing while it is measured.
class Client {
  public:
    explicit Client(std::uint16_t port)
        : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        CHECK(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        int on = 1;
        ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    Client(const Client&) = delete;
    ~Client() { ::close(socket_); }

    // Sends `requests` at once and waits for `answers` answers; gives the last one.
    Bytes call(Bytes requests, int answers = 1) {
        CHECK(::write(socket_, requests.data(), requests.size()) ==
              static_cast<ssize_t>(requests.size()));
        std::size_t size = 0;
        for (int i = 0; i < answers; ++i) {
            read_exactly(4);
            size = load_be<std::uint32_t>(answer_.data());
            read_exactly(size);
        }
        return Bytes(answer_.data(), size);
    }

  private:
    void read_exactly(std::size_t size) {
        CHECK(size <= answer_.size());
        std::size_t filled = 0;
        while (filled < size) {
            ssize_t count = ::read(socket_, answer_.data() + filled, size - filled);
            CHECK(count > 0 || errno == EINTR);
            filled += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
        }
    }

    int socket_;
    std::array<std::uint8_t, 64 << 10> answer_{};
};

template <typename Request>
std::string encoded(std::int16_t version, const Request& request) {
    auto frame = encode_request(1, "cost", version, request);
    CHECK(frame.has_value());
    return std::string(frame->in_memory().view());
}

Slice batch(int records, std::size_t size) {
    BatchBuilder builder;
    std::string value(size, 'v');
    for (int i = 0; i < records; ++i) {
        builder.append(1'700'000'000'000, std::nullopt, as_bytes(value));
    }
    return builder.build();
}

std::string produce_request(std::int32_t partition, std::int16_t acks, int records,
                            std::size_t size) {
    ProduceRequest request;
    request.acks = acks;
    request.timeout_ms = 30'000;
    request.topic_data = {
        {.name = topic, .partition_data = {{.index = partition, .records = batch(records, size)}}}};
    return encoded(8, request);
}

std::string fetch_request(std::int32_t partition) {
    FetchRequest request;
    request.max_wait_ms = 500;
    request.min_bytes = 1;
    request.max_bytes = 4096;
    request.topics = {
        {.topic = topic,
         .partitions = {{.partition = partition, .fetch_offset = 0, .partition_max_bytes = 4096}}}};
    return encoded(11, request);
}

std::string create_topic_request(std::int32_t partitions) {
    CreateTopicsRequest request;
    request.timeout_ms = 30'000;
    request.topics = {
        {.name = std::string(topic), .num_partitions = partitions, .replication_factor = 1}};
    return encoded(5, request);
}

std::int16_t produce_error(Bytes answer) {
    // Behind correlation id, topics, the name, partitions and the index.
    return load_be<std::int16_t>(answer.data() + 4 + 4 + 2 + topic.size() + 4 + 4);
}

// A node in this process, with one topic of as many partitions as it has shards: each of them has
// one.
class Node {
  public:
    explicit Node(int shards)
        : world_({.shards = shards, .helper_threads = 2, .timestamp_log = false}) {
        std::string pattern = testing::TempDir() + "request-cost-XXXXXX";
        CHECK(::mkdtemp(pattern.data()) != nullptr);
        folder_ = pattern;
    }
    ~Node() { std::filesystem::remove_all(folder_); }

    // Runs `body` on a thread beside the shards.
    void run(std::string_view more, const std::function<void(Node&)>& body) {
        int code =
            world_.run([&](env::Shard& shard) { return live(shard, configured(more), body); });
        EXPECT_EQ(code, 0);
    }

    std::uint16_t port() const { return port_; }
    // What the shards do while `calls` makes its calls.
    Counted during(const std::function<void()>& calls) {
        Counted before = of_shards();
        calls();
        return of_shards() - before;
    }

  private:
    config::BrokerConfig configured(std::string_view more) const {
        std::string text = fmt::format(
            "process.roles=broker,controller\nnode.id=1\n"
            "listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0\n"
            "controller.listener.names=CONTROLLER\n"
            "controller.quorum.bootstrap.servers=127.0.0.1:0\n"
            "offsets.topic.replication.factor=1\nlog.dirs={}\n{}",
            folder_, more);
        auto properties = config::Properties::parse(text);
        CHECK(properties.has_value());
        auto config = config::BrokerConfig::parse(*properties);
        CHECK(config.has_value());
        return *config;
    }

    Task<int> live(env::Shard& shard, config::BrokerConfig config,
                   const std::function<void(Node&)>& body) {
        quorum::FormatCommand command{.cluster_id = "cost", .standalone = true};
        auto formatted =
            quorum::format(shard.disk(), config, command, shard.random(), shard.wall_ms());
        CHECK(formatted.has_value());
        auto process = co_await server::Process::start(shard, config);
        CHECK(process.has_value());
        for (const auto& listener : (*process)->broker().listeners()) {
            if (!listener->is_controller) port_ = listener->advertised.port;
        }
        co_await env::lasting(shard, [&] { body(*this); });
        Result<> stopped = co_await (*process)->stop();
        co_return stopped ? 0 : 1;
    }

    Counted of_shards() {
        Counted sum;
        for (int id = 0; id < world_.count(); ++id) {
            auto* question = new Question;
            std::future<Counted> answer = question->answer.get_future();
            world_.loop(id).deliver(*question);
            sum = sum + answer.get();
        }
        return sum;
    }
    struct Question final : env::Message {
        void receive(env::Shard&) override {
            std::unique_ptr<Question> self(this);
            answer.set_value(counted());
        }
        std::promise<Counted> answer;
    };

    env::posix::World world_;
    std::string folder_;
    std::uint16_t port_ = 0;
};

// The most that a request may cost, on average.
struct Bounds {
    double allocations = 0;
    double system_calls = 0;
    double polls = 0;
};

void expect_at_most(const Bounds& bounds, const Counted& told, int requests = times) {
    auto each = [&](std::uint64_t count) { return static_cast<double>(count) / requests; };
    SCOPED_TRACE(fmt::format(
        "a request: {} allocations; {} recv, {} sendmsg, {} sendfile, {} pwritev, {} preadv2 and "
        "cachestat, {} epoll_ctl, {} eventfd_write, {} fdatasync; {} polls",
        each(told.allocations), each(told.receives), each(told.sends), each(told.file_sends),
        each(told.writes), each(told.probes), each(told.watches), each(told.wakes),
        each(told.syncs), each(told.polls)));
    // What the node does beside the requests is little.
    constexpr double beside = 0.25;
#if !__has_feature(address_sanitizer)  // which uses no memory twice
    EXPECT_LE(each(told.allocations), bounds.allocations + beside);
#endif
    EXPECT_LE(each(told.system_calls()), bounds.system_calls + beside);
    EXPECT_LE(each(told.polls), bounds.polls + beside);
}

void make_topic(Client& client, std::int32_t partitions) {
    client.call(as_bytes(create_topic_request(partitions)));
    for (std::int32_t partition = 0; partition < partitions; ++partition) {
        std::string request = produce_request(partition, 1, 1, 100);
        while (produce_error(client.call(as_bytes(request))) != 0) {
        }
    }
}

// What so many times `request`, `together` of them in one write, cost a node that is warm.
Counted cost_of(const std::string& request, std::string_view more = "", int requests = times,
                int together = 1) {
    std::string sent;
    for (int i = 0; i < together; ++i) sent += request;
    Counted told;
    Node node(1);
    node.run(more, [&](Node& running) {
        Client client(running.port());
        make_topic(client, 1);
        auto calls = [&] {
            for (int i = 0; i < requests / together; ++i) client.call(as_bytes(sent), together);
        };
        calls();
        told = running.during(calls);
    });
    return told;
}

// One system call each to receive, to write and to answer.
TEST(RequestCost, ProduceOfOneRecord) {
    expect_at_most({.allocations = 5, .system_calls = 3, .polls = 2},
                   cost_of(produce_request(0, 1, 1, 100)));
}

TEST(RequestCost, ProduceWithoutSync) {
    expect_at_most({.allocations = 5, .system_calls = 3, .polls = 2},
                   cost_of(produce_request(0, -1, 16, 1024), "log.flush.acks.all=false\n"));
}

// The sync is a helper thread's.
TEST(RequestCost, ProduceThatIsSynced) {
    constexpr int requests = 100;
    expect_at_most({.allocations = 7, .system_calls = 3, .polls = 5},
                   cost_of(produce_request(0, -1, 16, 1024), "", requests), requests);
}

// What arrives together is received, written and answered together.
TEST(RequestCost, ProduceInAPipeline) {
    expect_at_most({.allocations = 5, .system_calls = 0.3, .polls = 0.2},
                   cost_of(produce_request(0, 1, 1, 100), "", times, 10));
}

// Every second request is for a partition of another shard: it goes there and its answer comes
// back.
TEST(RequestCost, ProduceOnAnotherShard) {
    Counted told;
    Node node(2);
    node.run("", [&](Node& running) {
        Client client(running.port());
        make_topic(client, 2);
        std::string here = produce_request(0, 1, 1, 100);
        std::string there = produce_request(1, 1, 1, 100);
        auto calls = [&] {
            for (int i = 0; i < times / 2; ++i) {
                client.call(as_bytes(here));
                client.call(as_bytes(there));
            }
        };
        calls();
        told = running.during(calls);
    });
    expect_at_most({.allocations = 5, .system_calls = 4, .polls = 5}, told);
}

// Records go from the file to the socket, once they are known to be in memory.
TEST(RequestCost, Fetch) {
    expect_at_most({.allocations = 11, .system_calls = 6, .polls = 2}, cost_of(fetch_request(0)));
}

}  // namespace
}  // namespace millrace::cost
