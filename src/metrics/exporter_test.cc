#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "metrics/declared.h"
#include "metrics/registry.h"

namespace millrace::metrics {
namespace {

using Names = std::set<std::string>;
// Label names by sample and its label `name`, separated by a tab.
using Samples = std::map<std::string, std::set<Names>>;

// What is read at a snapshot is so while the readings live.
using Readings = std::vector<Registry::Reading>;

Readings make(Registry& registry, const Declaration& declaration, const Labels& labels) {
    static const RecentSamples none;
    Readings readings;
    switch (declaration.kind) {
        case Kind::counter:
            registry.counter(static_cast<const CounterDeclaration&>(declaration), labels);
            break;
        case Kind::gauge:
            registry.gauge(static_cast<const GaugeDeclaration&>(declaration), labels);
            break;
        case Kind::average:
            readings.push_back(registry.read_average(
                static_cast<const AverageDeclaration&>(declaration), labels, none));
            break;
        case Kind::maximum:
            readings.push_back(registry.read_maximum(
                static_cast<const MaximumDeclaration&>(declaration), labels, none));
            break;
        case Kind::meter:
            registry.meter(static_cast<const MeterDeclaration&>(declaration), labels);
            break;
        case Kind::histogram:
            registry.histogram(static_cast<const HistogramDeclaration&>(declaration), labels);
            break;
        case Kind::timer:
            registry.timer(static_cast<const TimerDeclaration&>(declaration), labels);
            break;
    }
    return readings;
}

// Of every declared metric, with those labels that it cannot be without and each number of those
// behind them. Label values are all "x".
Samples declared_samples() {
    Registry registry{Time()};
    std::vector<Readings> readings;
    for (const Declaration* declaration : declared::all) {
        for (std::size_t n = declaration->required_labels; n <= declaration->labels.size(); ++n)
            readings.push_back(make(registry, *declaration, Labels(n, "x")));
    }
    Samples samples;
    std::istringstream text(registry.snapshot(Time()).text());
    for (std::string line; std::getline(text, line);) {
        if (line.starts_with('#')) continue;
        std::size_t end = line.find_first_of("{ ");
        std::string key = line.substr(0, end) + "\t";
        Names names;
        while (line[end] == '{' || line[end] == ',') {
            std::size_t equals = line.find('=', end);
            std::size_t close = line.find('"', equals + 2);
            std::string label = line.substr(end + 1, equals - end - 1);
            if (label == "name") {
                key += line.substr(equals + 2, close - equals - 2);
            } else {
                names.insert(label);
            }
            end = close + 1;
        }
        samples[key].insert(names);
    }
    return samples;
}

// What the JMX exporter gave of a running Apache Kafka 4.3.1, and has a sample of ours of the same
// name: its labels have to be the same, too.
TEST(Exporter, SamplesHaveTheSameNamesAndLabels) {
    Samples ours = declared_samples();
    std::ifstream recorded(MILLRACE_SOURCE_DIR "/src/metrics/recorded/exporter.tsv");
    std::string line;
    ASSERT_TRUE(std::getline(recorded, line));
    int same = 0;
    while (std::getline(recorded, line)) {
        std::size_t tab = line.rfind('\t');
        auto at = ours.find(line.substr(0, tab));
        if (at == ours.end()) continue;
        Names names;
        std::istringstream labels(line.substr(tab + 1));
        for (std::string label; std::getline(labels, label, ',');) names.insert(label);
        EXPECT_TRUE(at->second.contains(names)) << line;
        ++same;
    }
    EXPECT_GT(same, 500);
}

}  // namespace
}  // namespace millrace::metrics
