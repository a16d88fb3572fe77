//! Driver numbers.
//!
//! Owns the list, upstream's with the members that no capsule here uses too: another's capsule names
//! its own in it. The 0xA0000 row is this project's.

/// Driver number of a syscall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum NUM {
    /// One alarm per process.
    Alarm = 0x0,
    /// Console.
    Console = 0x1,
    /// LEDs.
    Led = 0x2,
    /// Buttons.
    Button = 0x3,
    /// Pins.
    Gpio = 0x4,
    /// Analogue inputs.
    Adc = 0x5,
    /// Analogue outputs.
    Dac = 0x6,
    /// Comparators of two analogue inputs.
    AnalogComparator = 0x7,
    /// Debug words without an allow.
    LowLevelDebug = 0x8,
    /// Counters that a process reads without a call.
    ReadOnlyState = 0x9,
    /// Pulse width modulation.
    Pwm = 0x10,
    /// Inter-process communication.
    Ipc = 0x10000,
    /// Installing applications.
    AppLoader = 0x10001,
    /// Processes seen by a process.
    ProcessInfo = 0x10002,
    /// SPI controller.
    Spi = 0x20001,
    /// SPI peripheral.
    SpiPeripheral = 0x20002,
    /// I2C controller.
    I2cMaster = 0x20003,
    /// USB device.
    UsbUser = 0x20005,
    /// I2C, both roles.
    I2cMasterSlave = 0x20006,
    /// CAN bus.
    Can = 0x20007,
    /// Bluetooth advertisements.
    BleAdvertising = 0x30000,
    /// IEEE 802.15.4 radio.
    Ieee802154 = 0x30001,
    /// UDP over 6LoWPAN.
    Udp = 0x30002,
    /// SPI of a LoRa radio.
    LoRaPhySPI = 0x30003,
    /// Pins of a LoRa radio.
    LoRaPhyGPIO = 0x30004,
    /// Thread network.
    Thread = 0x30005,
    /// The device's EUI-64.
    Eui64 = 0x30006,
    /// Raw Ethernet frames.
    EthernetTap = 0x30007,
    /// Wi-Fi station.
    Wifi = 0x30008,
    /// Random bytes.
    Rng = 0x40001,
    /// Checksums.
    Crc = 0x40002,
    /// Keyed hashes.
    Hmac = 0x40003,
    /// CTAP over USB HID.
    CtapHid = 0x40004,
    /// Hashes.
    Sha = 0x40005,
    /// Block ciphers.
    Aes = 0x40006,
    /// A process's own flash.
    AppFlash = 0x50000,
    /// Non-volatile storage, one piece for all.
    NvmStorage = 0x50001,
    /// SD card.
    SdCard = 0x50002,
    /// Key-value store.
    Kv = 0x50003,
    /// Non-volatile storage, a region for each application.
    IsolatedNvmStorage = 0x50004,
    /// Temperature.
    Temperature = 0x60000,
    /// Humidity.
    Humidity = 0x60001,
    /// Light.
    AmbientLight = 0x60002,
    /// Acceleration, rotation, magnetic field.
    NINEDOF = 0x60004,
    /// Proximity.
    Proximity = 0x60005,
    /// Sound pressure.
    SoundPressure = 0x60006,
    /// Air quality.
    AirQuality = 0x60007,
    /// Air pressure.
    Pressure = 0x60008,
    /// Distance.
    Distance = 0x60009,
    /// Moisture.
    Moisture = 0x6000A,
    /// Rain.
    RainFall = 0x6000B,
    /// Light sensor TSL2561.
    Tsl2561 = 0x70000,
    /// Temperature sensor TMP006.
    Tmp006 = 0x70001,
    /// Pressure sensor LPS25HB.
    Lps25hb = 0x70004,
    /// Gyroscope L3GD20.
    L3gd20 = 0x70005,
    /// Accelerometer LSM303DLHC.
    Lsm303dlch = 0x70006,
    /// Infrared thermometer MLX90614.
    Mlx90614 = 0x70007,
    /// Motion sensor LSM6DSOX.
    Lsm6dsoxtr = 0x70008,
    /// Battery gauge LTC294x.
    Ltc294x = 0x80000,
    /// Battery gauge MAX17205.
    Max17205 = 0x80001,
    /// I2C multiplexer PCA9544A.
    Pca9544a = 0x80002,
    /// Pins behind a bus.
    GpioAsync = 0x80003,
    /// Serial link to an nRF51822.
    Nrf51822Serialization = 0x80004,
    /// Buzzer.
    Buzzer = 0x90000,
    /// Screen.
    Screen = 0x90001,
    /// Touch panel.
    Touch = 0x90002,
    /// Text screen.
    TextScreen = 0x90003,
    /// Seven-segment digits.
    SevenSegment = 0x90004,
    /// Keyboard over USB HID.
    KeyboardHid = 0x90005,
    /// Wall clock.
    DateTime = 0x90007,
    /// Cycle counter.
    CycleCount = 0x90008,
    /// Servo motor.
    Servo = 0x90009,
    /// PSA crypto service.
    PsaCrypto = 0xA0000,
    /// PSA storage services.
    PsaStorage = 0xA0001,
    /// PSA firmware update service.
    PsaFwu = 0xA0002,
    /// Platform and attestation services.
    PsaPlatform = 0xA0003,
    /// Clips in the audio ROM.
    AudioRom = 0xA0004,
    /// Crash reports and states of processes.
    Supervision = 0xA0005,
}
