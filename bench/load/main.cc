// The loads of bench/hot_path.py, at one node: from one thread, made of requests that were encoded
// before, so that one core is load enough. Prints a line of JSON with what the load saw and what
// the measured process used meanwhile.

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <utility>
#include <vector>

#include "load/loads.h"

int main(int argc, char** argv) {
    using namespace millrace::bench;
    CLI::App app("loads a node");
    app.require_subcommand(1);
    Target target;
    std::vector<int> pids;
    bool tls = false;
    app.add_option("--port", target.port)->required();
    app.add_option("--topic", target.topic)->required();
    app.add_option("--partitions", target.partitions);
    app.add_option("--pid", pids, "the processes to measure")->delimiter(',');
    app.add_flag("--tls", tls);

    ProduceLoad produced;
    CLI::App* produces = app.add_subcommand("produce");
    produces->add_option("--batch-records", produced.batch.records);
    produces->add_option("--record-bytes", produced.batch.record_bytes);
    produces->add_option("--connections", produced.connections);
    produces->add_option("--in-flight", produced.in_flight);
    produces->add_option("--acks", produced.acks);
    produces->add_option("--warm", produced.warm);
    produces->add_option("--requests", produced.requests);
    produces->add_option("--rate", produced.rate);
    produces->add_flag("--patient", produced.patient, "sleeps until a request is due");
    produces->add_flag("--stamped", produced.stamped, "arrivals by the kernel's stamp");

    ConsumeLoad consumed;
    CLI::App* consumes = app.add_subcommand("consume");
    consumes->add_option("--batch-records", consumed.batch.records);
    consumes->add_option("--record-bytes", consumed.batch.record_bytes);
    consumes->add_option("--end-offset", consumed.end_offset);
    consumes->add_option("--readers", consumed.readers);
    consumes->add_option("--warm-bytes", consumed.warm_bytes);
    consumes->add_option("--bytes", consumed.bytes);
    consumes->add_option("--fetch-bytes", consumed.fetch_bytes);

    EndToEndLoad both;
    CLI::App* ends = app.add_subcommand("end-to-end");
    ends->add_option("--record-bytes", both.record_bytes);
    ends->add_option("--acks", both.acks);
    ends->add_option("--rate", both.rate);
    ends->add_option("--warm", both.warm);
    ends->add_option("--records", both.records);
    ends->add_option("--every", both.every, "seconds a line");
    ends->add_flag("--patient", both.patient, "sleeps until a record is due");

    CLI11_PARSE(app, argc, argv);
    try {
        if (tls) target.tls = Tls::client();
        Measure measure(std::move(pids));
        if (produces->parsed()) produce(target, produced, measure);
        if (consumes->parsed()) consume(target, consumed, measure);
        if (ends->parsed()) end_to_end(target, both, measure);
        fmt::print("{}\n", measure.report());
    } catch (const std::exception& error) {
        fmt::print(stderr, "load: {}\n", error.what());
        return 1;
    }
}
