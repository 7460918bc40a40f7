#include "cuttle/app/app.hpp"

int main(int argc, char** argv) { return cuttle::run_app(argc, argv, {}); }
