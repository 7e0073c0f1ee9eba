// millrace: one executable. `millrace COMMAND …`, or a link named after one of Kafka's tools
// (kafka-topics, kafka-topics.sh) that leads here.

#include <cstdio>

int main() {
    std::fputs("millrace: no command is built in yet\n", stderr);
    return 1;
}
