#include "env/posix/network.h"

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "env/disk.h"
#include "env/network.h"
#include "env/posix/bound_addresses.h"
#include "env/posix/descriptor.h"
#include "env/posix/file.h"
#include "env/posix/socket_address.h"
#include "env/posix/world.h"

namespace millrace::env::posix {
namespace {

void run(World& world, std::function<Task<void>(Shard&)> body) {
    world.run([&body](Shard& here) -> Task<int> {
        Time end = here.now() + Duration::seconds(60);
        bool ended = co_await with_deadline(here, end, body(here));
        EXPECT_TRUE(ended) << "still runs after a minute";
        co_return 0;
    });
}

Options one_shard() { return {.shards = 1, .timestamp_log = false}; }

// Of another process, as far as the kernel is concerned.
Descriptor foreign_listener(const Address& address) {
    SocketAddress to = *numeric_address(address);
    Descriptor fd(::socket(to.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    EXPECT_EQ(::bind(fd.get(), to.get(), to.size), 0);
    EXPECT_EQ(::listen(fd.get(), 1), 0);
    return fd;
}

Address local_of(const Descriptor& fd) {
    SocketAddress address;
    EXPECT_EQ(getsockname(fd.get(), address.get(), &address.size), 0);
    return address.to_address();
}

// Two nodes that were given one port by mistake must not share its connections.
TEST(PosixNetwork, AnAddressOfAnotherProcessIsInUse) {
    World world(one_shard());
    run(world, [](Shard& here) -> Task<void> {
        Descriptor foreign = foreign_listener({"127.0.0.1", 0});
        Address taken = local_of(foreign);
        auto refused = here.network().listen(taken);
        EXPECT_FALSE(refused);
        EXPECT_TRUE(!refused && refused.error().message.ends_with("Address already in use"));
        EXPECT_FALSE(here.network().listen({"", taken.port}));
        foreign.reset();
        auto first = here.network().listen(taken);
        EXPECT_TRUE(first);
        // The world's own listeners share it, and a closed one leaves it to others.
        auto second = here.network().listen(taken);
        EXPECT_TRUE(second);
        first->reset();
        EXPECT_TRUE(here.network().listen(taken));
        second->reset();
        foreign = foreign_listener(taken);
        EXPECT_FALSE(here.network().listen(taken));
        co_return;
    });
}

int buffer_of(const Descriptor& fd, int option) {
    int bytes = 0;
    socklen_t size = sizeof bytes;
    EXPECT_EQ(getsockopt(fd.get(), SOL_SOCKET, option, &bytes, &size), 0);
    return bytes / 2;  // the kernel doubles what it is asked for
}

TEST(PosixNetwork, AcceptedConnectionsHaveTheBuffersOfTheirListener) {
    BoundAddresses bound(8);
    SocketAddress address = *numeric_address({"127.0.0.1", 0});
    auto listener = bound.listen(address, false, {.send = 50'000, .receive = 60'000});
    ASSERT_TRUE(listener);
    Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(client.get(), address.get(), address.size), 0);
    pollfd readable{.fd = listener->get(), .events = POLLIN};
    ASSERT_EQ(::poll(&readable, 1, -1), 1);
    Descriptor accepted(::accept(listener->get(), nullptr, nullptr));
    EXPECT_EQ(buffer_of(accepted, SO_SNDBUF), 50'000);
    EXPECT_EQ(buffer_of(accepted, SO_RCVBUF), 60'000);
}

TEST(PosixNetwork, ANameIsListenedOnByItsIpv4Address) {
    World world(one_shard());
    run(world, [](Shard& here) -> Task<void> {
        auto listener = here.network().listen({"localhost", 0});
        EXPECT_TRUE(listener);
        if (listener) EXPECT_EQ((*listener)->local().host, "127.0.0.1");
        co_return;
    });
}

// The kernel picks the port that nobody listens at as the caller's own, sooner or later.
TEST(PosixNetwork, AConnectionNeverConnectsToItself) {
    World world(one_shard());
    run(world, [](Shard& here) -> Task<void> {
        // Odd ports are for bind(0) first, even ones for connect().
        Address nobody = local_of(foreign_listener({"127.0.0.1", 0}));
        nobody.port &= 0xfffe;
        int refused = 0;
        for (int i = 0; i < 40'000; ++i) {
            auto connection = co_await here.network().connect(nobody);
            EXPECT_FALSE(connection) << "to itself, from " << (*connection)->local().to_string();
            if (!connection) ++refused;
            if (connection) co_return;
        }
        EXPECT_EQ(refused, 40'000);
    });
}

TEST(PosixNetwork, AListenerOutlivesAPeerThatResetsBeforeItIsAccepted) {
    World world(one_shard());
    run(world, [](Shard& here) -> Task<void> {
        auto listener = here.network().listen({"127.0.0.1", 0});
        EXPECT_TRUE(listener);
        SocketAddress to = *numeric_address((*listener)->local());
        {
            Descriptor hasty(::socket(AF_INET, SOCK_STREAM, 0));
            EXPECT_EQ(::connect(hasty.get(), to.get(), to.size), 0);
            linger at_once{.l_onoff = 1, .l_linger = 0};
            setsockopt(hasty.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        }
        auto client = co_await here.network().connect((*listener)->local());
        EXPECT_TRUE(client);
        EXPECT_TRUE(co_await (*client)->write(Slice::copy("x")));
        // The one that has gone is either not seen or ends at once.
        for (bool served = false; !served;) {
            auto server = co_await (*listener)->accept();
            EXPECT_TRUE(server);
            std::uint8_t byte = 0;
            Result<std::size_t> count = co_await (*server)->read({&byte, 1});
            served = count && *count == 1;
        }
    });
}

// A process without descriptors neither spins nor ends: it takes connections when it can again.
TEST(PosixNetwork, WithoutDescriptorsConnectionsWait) {
#if __has_feature(undefined_behavior_sanitizer)
    GTEST_SKIP() << "the sanitizer itself takes descriptors when it looks at virtual tables";
#endif
    World world(one_shard());
    run(world, [&world](Shard& here) -> Task<void> {
        auto listener = here.network().listen({"127.0.0.1", 0});
        EXPECT_TRUE(listener);
        auto client = co_await here.network().connect((*listener)->local());
        EXPECT_TRUE(client);
        rlimit before{};
        getrlimit(RLIMIT_NOFILE, &before);
        rlimit none = before;
        none.rlim_cur = static_cast<rlim_t>(Descriptor(::open("/dev/null", O_RDONLY)).get());
        setrlimit(RLIMIT_NOFILE, &none);
        std::unique_ptr<Connection> server;
        auto accept = [&](Listener& on) -> Task<void> {
            auto accepted = co_await on.accept();
            EXPECT_TRUE(accepted);
            if (accepted) server = *std::move(accepted);
        };
        Scope scope(here);
        scope.spawn(accept(**listener));
        std::uint64_t polls = world.loop(0).counters().polls;
        co_await sleep_for(here, Duration::milliseconds(250));
        EXPECT_FALSE(server);
        EXPECT_LT(world.loop(0).counters().polls - polls, 20U);
        auto refused = co_await here.network().connect((*listener)->local());
        EXPECT_FALSE(refused);
        EXPECT_TRUE(!refused && refused.error().message.ends_with("Too many open files"));
        setrlimit(RLIMIT_NOFILE, &before);
        co_await scope.join();
        EXPECT_TRUE(server);
    });
}

TEST(PosixNetwork, AFileThatIsNotInMemoryIsReadInAndSent) {
    std::string path = testing::TempDir() + "millrace-network-test-" + std::to_string(getpid());
    World world(one_shard());
    run(world, [&](Shard& here) -> Task<void> {
        auto file = here.disk().open(path, {.write = true, .create = true});
        EXPECT_TRUE(file);
        std::string text(3 << 20, ' ');
        for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31 >> 7);
        EXPECT_TRUE((*file)->write(0, as_bytes(text)));
        EXPECT_TRUE((*file)->sync_now());
        posix_fadvise(static_cast<File&>(**file).fd(), 0, 0, POSIX_FADV_DONTNEED);
        auto listener = here.network().listen({"127.0.0.1", 0});
        auto client = co_await here.network().connect((*listener)->local());
        auto server = co_await (*listener)->accept();
        EXPECT_TRUE(client && server);
        Chain chain(Slice::copy("head"));
        chain.append(FileRange{*file, 100, text.size() - 100});
        auto write = [](Connection& to, Chain bytes) -> Task<void> {
            EXPECT_TRUE(co_await to.write(std::move(bytes)));
        };
        Scope scope(here);
        scope.spawn(write(**server, std::move(chain)));
        std::vector<std::uint8_t> into(4 + text.size() - 100);
        EXPECT_TRUE(co_await read_exactly(**client, into));
        EXPECT_TRUE(as_string(into) == "head" + text.substr(100));
        co_await scope.join();
    });
    std::filesystem::remove(path);
}

// What connections bring, by turns of the loop.
struct Brought {
    std::uint64_t turn = 0;
    std::size_t in_turn = 0;
    std::size_t most_in_turn = 0;
};

Task<void> read_bulk(Loop& loop, Connection& from, std::size_t size, std::size_t& received,
                     Brought& brought) {
    std::vector<std::uint8_t> into(256 << 10);
    while (received < size) {
        Result<std::size_t> count = co_await from.read(into);
        EXPECT_TRUE(count && *count > 0);
        if (!count || *count == 0) co_return;
        received += *count;
        std::uint64_t turn = loop.counters().turns;
        if (std::exchange(brought.turn, turn) != turn) brought.in_turn = 0;
        brought.in_turn += *count;
        brought.most_in_turn = std::max(brought.most_in_turn, brought.in_turn);
    }
}

// Connections with much to say share a turn of the loop, and keep nobody else from it for long.
TEST(PosixNetwork, ConnectionsThatBringMuchTakeTurns) {
    constexpr std::size_t size = 32 << 20;
    World world(one_shard());
    run(world, [&](Shard& here) -> Task<void> {
        auto listener = here.network().listen({"127.0.0.1", 0});
        std::vector<std::unique_ptr<Connection>> clients;
        std::vector<std::unique_ptr<Connection>> servers;
        for (int i = 0; i < 2; ++i) {
            clients.push_back(*co_await here.network().connect((*listener)->local()));
            servers.push_back(*co_await (*listener)->accept());
        }
        auto write = [](Connection& to) -> Task<void> {
            EXPECT_TRUE(co_await to.write(Slice::copy(std::string(size, 'x'))));
        };
        Brought brought;
        std::vector<std::size_t> received(2);
        std::size_t least_of_other = size;
        auto read = [&](std::size_t index) -> Task<void> {
            co_await read_bulk(world.loop(0), *servers[index], size, received[index], brought);
            least_of_other = std::min(least_of_other, received[1 - index]);
        };
        Scope scope(here);
        for (std::size_t i = 0; i < 2; ++i) {
            scope.spawn(write(*clients[i]));
            scope.spawn(read(i));
        }
        co_await scope.join();
        EXPECT_EQ(received, std::vector<std::size_t>(2, size));
        EXPECT_LE(brought.most_in_turn, 768U << 10) << "a turn's share, and one read";
        EXPECT_GT(least_of_other, size / 2);
    });
}

TEST(PosixNetwork, ShuttingDownEndsAWriteThatWaits) {
    World world(one_shard());
    run(world, [](Shard& here) -> Task<void> {
        auto listener = here.network().listen({"127.0.0.1", 0});
        auto client = co_await here.network().connect((*listener)->local());
        auto server = co_await (*listener)->accept();
        EXPECT_TRUE(client && server);
        bool failed = false;
        auto write = [&](Connection& to) -> Task<void> {
            failed = !co_await to.write(Slice::copy(std::string(64 << 20, 'x')));
        };
        Scope scope(here);
        scope.spawn(write(**client));
        co_await sleep_for(here, Duration::milliseconds(5));
        (*client)->shutdown_write();
        co_await scope.join();
        EXPECT_TRUE(failed);
    });
}

}  // namespace
}  // namespace millrace::env::posix
